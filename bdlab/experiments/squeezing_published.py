"""What the feature squeezing study printed (Xu, Evans, Qi, NDSS 2018), in the table that the lectures show.

Cells that are unreadable there are None.  Of 2x2 on CIFAR-10 four (FGSM, CW l0 next, both of JSMA) come from the table's own
row of column maxima: what stands in their place is noise or missing, and no other readable squeezer reaches those maxima.
Of CIFAR-10's eleven squeezers four are here; 1 to 4 bits and non-local means 11-3-2, 11-3-4 and 13-3-4 are left out.
"""

from __future__ import annotations

from dataclasses import dataclass

HALF, MOST = 50, 60
"""Half of the study's 100 images an attack, which its rates count, and the most that a half drawn by lot will hold."""


@dataclass(frozen=True)
class Table:
    """What the study printed: squeezers one by one and joint; attack -> rates in that order, None where unreadable.

    overall: of the joint one over all attacks; best: of the best single one.
    orders: attacks, a squeezer that does better on them and one that does worse.
    """

    name: str
    alone: tuple[str, ...]
    joint: str
    overall: float
    best: float
    rates: dict[str, tuple[float | None, ...]]
    orders: tuple[tuple[tuple[str, ...], str, str], ...]

    def images(self, column: str) -> int:
        """Of how many images its rates are shares: the only number up to 60 that gives all of them, else 50."""
        rates = [rate for rate in self.rates[column] if rate is not None]
        fits = [n for n in range(1, MOST + 1) if all(abs(round(n * r) / n - r) < 0.00051 for r in rates)]
        return fits[0] if len(fits) == 1 else HALF


MNIST = Table(
    "MNIST",
    ("1-bit", "2-bit", "2x2", "3x3"),
    "1-bit, 2x2",
    0.982,
    0.903,
    {
        "FGSM": (1.0, 0.615, 0.731, 0.385, 1.0),
        "BIM": (0.979, 0.064, 0.277, 0.106, 0.979),
        "CW linf, next": (1.0, 0.615, 1.0, 0.808, 1.0),
        "CW linf, least likely": (1.0, 0.755, 1.0, 0.830, 1.0),
        "CW l2, next": (1.0, 0.963, 0.944, 0.815, 1.0),
        "CW l2, least likely": (1.0, 0.958, 1.0, 0.958, 1.0),
        "CW l0, next": (0.556, 0.378, 0.822, 0.889, 0.911),
        "CW l0, least likely": (0.563, 0.396, 0.938, 1.0, 0.938),
        "JSMA, next": (1.0, 0.969, 0.938, 0.969, 1.0),
        "JSMA, least likely": (1.0, 1.0, 1.0, 1.0, 1.0),
    },
    (
        (("FGSM", "BIM"), "1-bit", "2x2"),
        (("FGSM", "BIM"), "1-bit", "2-bit"),
        (("CW l0, next", "CW l0, least likely"), "2x2", "1-bit"),
        (("CW l0, next", "CW l0, least likely"), "3x3", "2x2"),
    ),
)
CIFAR10 = Table(
    "CIFAR-10",
    ("5-bit", "2x2", "3x3", "13-3-2"),
    "5-bit, 2x2, 13-3-2",
    0.845,
    0.836,
    {
        "FGSM": (0.0, 0.188, 0.042, 0.125, 0.208),
        "BIM": (0.05, 0.55, 0.25, 0.375, 0.55),
        "CW linf, next": (0.377, 0.981, 0.66, 0.849, 0.981),
        "CW linf, least likely": (0.636, 1.0, None, 0.977, 1.0),
        "CW l2, next": (0.809, 0.979, None, 0.915, None),
        "CW l2, least likely": (0.878, 1.0, 0.918, 0.939, 1.0),
        "CW l0, next": (0.096, 0.981, 0.75, 0.077, 0.981),
        "CW l0, least likely": (0.018, 1.0, 0.929, 0.054, 1.0),
        "JSMA, next": (None, 0.837, None, 0.286, None),
        "JSMA, least likely": (0.038, 0.885, 0.077, 0.173, 0.885),
    },
    (
        (("CW l0, next", "CW l0, least likely"), "2x2", "5-bit"),
        (("JSMA, least likely",), "2x2", "5-bit"),
        (("BIM",), "2x2", "5-bit"),
    ),
)
