"""Figures: each has its alt text, inside the PNG too, and shows what it was given."""

import io

import pytest
import torch
from PIL import Image

from bdlab import plots


def _text(plot: plots.Plot) -> str:
    with Image.open(io.BytesIO(plot.png())) as picture:
        return picture.info["Description"]


def test_images_puts_every_image_on_an_axis_and_the_alt_text_into_the_file(tmp_path):
    x = torch.rand(5, 3, 8, 8)
    plot = plots.images([("clean", x), ("marked", x)], alt="Five images twice.")
    assert len(plot.figure.axes) == 10
    assert torch.allclose(torch.tensor(plot.figure.axes[7].images[0].get_array()), x[2].permute(1, 2, 0))
    assert _text(plot) == "Five images twice."
    assert plot.save(tmp_path / "new" / "a.png").read_bytes() == plot.png()
    assert 'alt="Five images twice."' in plot._repr_html_()


def test_a_figure_without_alt_text_is_refused():
    with pytest.raises(ValueError, match="alt must say what the figure shows"):
        plots.images([("a", torch.rand(1, 1, 4, 4))], alt=" ")


def test_rows_of_different_length_are_refused():
    with pytest.raises(ValueError, match="same number of images"):
        plots.images([("a", torch.rand(1, 1, 4, 4)), ("b", torch.rand(2, 1, 4, 4))], alt="x")


def test_scores_shows_shares_and_draws_thresholds_on_the_last_panel():
    clean, bad = torch.randn(100), torch.randn(50) + 3
    plot = plots.scores([("a", clean, bad[:0]), ("b", clean, bad)], [("t", 2.0)], label="bits", alt="Scores.")
    left, right = plot.figure.axes
    assert sum(bar.get_height() for bar in left.patches) == pytest.approx(1)  # no triggered images on the left
    assert sum(bar.get_height() for bar in right.patches) == pytest.approx(2)
    assert [line.get_xdata()[0] for line in right.lines] == [2.0]
    assert left.get_xlabel() == "bits" and left.get_ylabel() == "share of images"


def test_rate_curve_shows_the_mean_over_seeds():
    plot = plots.rate_curve([0.01, 0.1], [("ASR", [[0.2, 0.4], [1.0, 1.0]])], alt="Curve.", title="t")
    (axis,) = plot.figure.axes
    assert axis.lines[0].get_ydata().tolist() == pytest.approx([0.3, 1.0])
    assert axis.get_xscale() == "log"
