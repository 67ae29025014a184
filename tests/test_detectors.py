"""What detectors of different papers hold alike."""

import pytest
from rates import holds_its_rate

from bdlab.defenses import FeatureSqueezing, Strip

STRIP = Strip(overlays=10, seed=100)
SETS = {"digits": "clean_model", "signs": "clean_signs_model"}


@pytest.mark.parametrize(
    ("detector", "data", "most"),
    [
        (FeatureSqueezing(), "digits", None),
        (FeatureSqueezing(), "signs", 300),
        (STRIP, "digits", None),
        (STRIP, "signs", None),
    ],
    ids=lambda value: type(value).__name__ if hasattr(value, "fit") else str(value),
)
def test_on_a_clean_model_it_fires_as_often_as_it_was_told(detector, data, most, request):
    model, images = (request.getfixturevalue(name) for name in (SETS[data], data))
    calibration, test = images.calibration[:most], images.test[:most]
    holds_its_rate(detector.fit(model, images.held_out, calibration), calibration, test, 0.05)
