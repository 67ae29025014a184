"""Every figure of the library.  Each call wants `alt=`: what the figure shows, for those who cannot see it."""

from bdlab.plots.answers import Claim, Row, answers, bars, paper_and_here, sets, trace
from bdlab.plots.attacks import painted, planes, rate_curve, wall
from bdlab.plots.cards import Card, card, trophy_wall
from bdlab.plots.defenses import anomaly, heat, pruning_curve, scores
from bdlab.plots.plot import Plot, images

__all__ = [
    "Card",
    "Claim",
    "Plot",
    "Row",
    "anomaly",
    "answers",
    "bars",
    "card",
    "heat",
    "images",
    "painted",
    "paper_and_here",
    "planes",
    "pruning_curve",
    "rate_curve",
    "scores",
    "sets",
    "trace",
    "trophy_wall",
    "wall",
]
