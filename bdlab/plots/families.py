"""The map of the defences that every lesson on one comes back to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bdlab.plots.plot import BLUE, GREY, ORANGE, Plot, axes_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Family:
    """One family of defences: where it stands, what it asks, what it needs, and who does it so."""

    name: str
    place: tuple[float, float]
    asks: str
    needs: str
    methods: str


FAMILIES = (
    Family("training data", (0.0, 1.3), "which rows were forged?", "needs the training set",
           "spectral signatures,\nactivation clustering"),
    Family("model sanitization", (3.1, 2.6), "can a backdoor be cut out?", "needs the weights, clean images",
           "pruning, fine-pruning,\nl-infinity pruning"),
    Family("model inspection", (3.1, 0.0), "does this network hold one?", "needs the weights or gradients",
           "Neural Cleanse, DeepInspect"),
    Family("input reformation", (6.2, 2.6), "what if the input is blurred?", "needs the answers only",
           "feature squeezing"),
    Family("input filtering", (6.2, 0.0), "is this input marked?", "needs the answers; RBD the weights",
           "STRIP, RBD"),
)  # fmt: skip
"""Four families of the lectures; the first box, grey, is for whoever has the training data."""
WIDTH, HEIGHT = 2.75, 1.6


def families(lit: str | None = None) -> Plot:
    """The map of defences from training to use.  lit: the family that is lit up, None for none.

    Raises: `ValueError` for another name.
    """
    names = [family.name for family in FAMILIES]
    if lit is not None and lit not in names:
        raise ValueError(f"lit must be None or one of {', '.join(names)}, got {lit!r}")
    spoken = "; ".join(f"{one.name}: {one.asks} ({one.methods}, {one.needs})".replace("\n", " ") for one in FAMILIES)
    here = f" Lit up: {lit}." if lit else ""
    alt = f"A map of defences, from the training data over the network to each input. {spoken}.{here}"
    figure, (axis,) = axes_of(1, 1, (9.6, 4.9), alt)
    for place, family in enumerate(FAMILIES):
        _box(axis, family, family.name == lit, GREY if not place else BLUE)
    for x, title in ((0.0, "before training"), (3.1, "before delivery"), (6.2, "on the road")):
        axis.text(x + WIDTH / 2, 4.55, title, ha="center", fontsize=13, fontweight="bold")
    for x in (2.8, 5.9):
        axis.annotate("", (x + 0.27, 2.1), (x - 0.02, 2.1), arrowprops={"arrowstyle": "-|>", "color": GREY, "lw": 2})
    axis.set(xlim=(-0.1, 9.1), ylim=(-0.15, 4.95))
    axis.set_axis_off()
    return Plot(figure, alt)


def _box(axis: Axes, family: Family, lit: bool, colour: str) -> None:
    from matplotlib.patches import FancyBboxPatch

    (x, y), edge = family.place, ORANGE if lit else colour
    axis.add_patch(
        FancyBboxPatch((x + 0.1, y + 0.1), WIDTH - 0.2, HEIGHT - 0.2, boxstyle="round,pad=0.08", linewidth=4 if lit else 1.5,
                       edgecolor=edge, facecolor="#FFF1E6" if lit else "#F6F7F9",
                       linestyle="-" if colour == BLUE or lit else "--")
    )  # fmt: skip
    name = f"► {family.name}" if lit else family.name
    axis.text(x + WIDTH / 2, y + 1.36, name, ha="center", va="center", fontsize=13, fontweight="bold", color=edge)
    for height, text in ((1.02, f"“{family.asks}”"), (0.57, family.methods), (0.14, family.needs)):
        axis.text(x + WIDTH / 2, y + height, text, ha="center", va="center", fontsize=10)
