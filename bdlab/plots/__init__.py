"""Every figure of the library.  Each call wants `alt=`: what the figure shows, for those who cannot see it."""

from bdlab.plots.attacks import painted, planes, rate_curve, wall
from bdlab.plots.cards import Card, card, trophy_wall
from bdlab.plots.defenses import anomaly, heat, pruning_curve, scores
from bdlab.plots.plot import Plot, images

__all__ = [
    "Card",
    "Plot",
    "anomaly",
    "card",
    "heat",
    "images",
    "painted",
    "planes",
    "pruning_curve",
    "rate_curve",
    "scores",
    "trophy_wall",
    "wall",
]
