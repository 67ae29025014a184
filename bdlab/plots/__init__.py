"""Every figure of the library.  Each call wants `alt=`: what the figure shows, for those who cannot see it."""

from bdlab.plots.answers import Claim, Row, answers, bars, paper_and_here, sets, trace
from bdlab.plots.attacks import painted, planes, rate_curve, wall
from bdlab.plots.boards import Board, boards
from bdlab.plots.cards import Card, card, trophy_wall
from bdlab.plots.defenses import anomaly, heat, pruning_curve, scores, tails
from bdlab.plots.families import families
from bdlab.plots.networks import firing, layers, learning, line, rates, sure
from bdlab.plots.panes import chosen, over_strength
from bdlab.plots.plot import Plot, images
from bdlab.plots.pruned import activations, falling, stopped, ways
from bdlab.plots.threats import Plane, grid, over_steps, pockets

__all__ = [
    "Board",
    "Card",
    "Claim",
    "Plane",
    "Plot",
    "Row",
    "activations",
    "anomaly",
    "answers",
    "bars",
    "boards",
    "card",
    "chosen",
    "falling",
    "families",
    "firing",
    "grid",
    "heat",
    "images",
    "layers",
    "learning",
    "line",
    "over_steps",
    "over_strength",
    "painted",
    "paper_and_here",
    "planes",
    "pockets",
    "pruning_curve",
    "rate_curve",
    "rates",
    "scores",
    "sets",
    "stopped",
    "sure",
    "tails",
    "trace",
    "trophy_wall",
    "wall",
    "ways",
]
