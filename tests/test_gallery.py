"""The wall of triggers: every registered trigger hangs there, and what is shown is what was measured."""

import pytest
import torch

from bdlab import Patch
from bdlab.experiments.gallery import LOOKS, Picture, page, wall
from bdlab.metrics import image_difference
from bdlab.registry import registered
from bdlab.triggers.frequency import mean_spectra


def _picture(trigger, look, x):
    marked = trigger(x)
    return Picture("a name", look, trigger, x[:2], marked[:2], image_difference(x, marked), mean_spectra(trigger, x))


def test_a_small_change_is_enlarged_and_no_change_is_grey():
    x = torch.full((2, 1, 8, 8), 0.5)
    strong, weak = (_picture(Patch(shape="pixel", colour=c), "visible", x) for c in (1.0, 0.5 + 1 / 255))
    assert (strong.factor, weak.factor) == (1, 64)
    assert strong.change[0, 0, 0, 0] == 0.5 and strong.change[0, 0, 6, 6] == 0.75
    assert weak.change[0, 0, 6, 6] == pytest.approx(0.5 + 32 / 255)


def test_the_page_has_a_row_and_a_picture_for_each(signs):
    x = signs.test.x[:8]
    text, figures = page([_picture(Patch(), look, x) for look in LOOKS], signs)
    assert set(figures) == {f"gallery_{look}.png" for look in LOOKS}
    assert all(
        f"![{figure.alt}](figures/{name})" in text and "a name" in figure.alt for name, figure in figures.items()
    )
    found = image_difference(x, Patch()(x))
    assert text.count(f"| a name | {found.psnr:.1f} | {found.ssim:.3f} | 9 |") == 3


@pytest.mark.slow
def test_every_registered_trigger_hangs_on_the_wall(signs, clean_signs_model):
    pictures = wall(signs, clean=clean_signs_model)
    kinds = {type(picture.trigger) for picture in pictures}
    assert {entry.make for entry in registered("trigger").values()} <= kinds
    assert {picture.look for picture in pictures} == set(LOOKS) and len({p.name for p in pictures}) == len(pictures)
    for picture in pictures:
        assert picture.difference.l0 > 0 and picture.difference.psnr < 60, picture.name
