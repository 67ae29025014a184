"""What the last cell of a lesson gives: the student's own functions at work, as a picture and as what a trophy shows."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from bdlab.plots import Plot


@dataclass(frozen=True, repr=False)
class Result:
    """The plot, and one image (C, H, W) and a few numbers, name -> text, for the trophy.  below: HTML under the plot."""

    plot: Plot
    picture: Tensor
    numbers: dict[str, str]
    below: str = ""

    def _repr_html_(self) -> str:
        return self.plot._repr_html_() + self.below

    def __repr__(self) -> str:
        return self.plot.alt
