"""Lesson 02: three attacks on a plane, and the bar that moves through a reader's life."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from bdlab import plots, widgets
from bdlab.lessons import l02_planes as plane
from bdlab.lessons.demos import cached, grading
from bdlab.plots import Plane

if TYPE_CHECKING:
    from ipywidgets import VBox

    from bdlab.widgets.scrubbing import Picture

STATIONS = ("data are\ncollected", "the reader\nis trained", "it is\ndelivered", "it is used\non the road")
TIMES = (
    ("data", "poisoning or backdoor: somebody at the data", (True, False, True)),
    ("trainer", "poisoning or backdoor: somebody at the trainer's machine", (True, False, True)),
    ("carrier", "poisoning or backdoor: somebody who can change the file", (True, False, True)),
    ("road", "evasion, or the mark of a backdoor: somebody at the road", (False, True, True)),
)
"""Who stands there, who that is, and which of poisoning, evasion and backdoor need somebody there."""


def _panels(lit: tuple[bool, ...], on_the_road: bool) -> list[Plane]:
    made, (x, y) = cached("l02", "planes"), plane.cloud()
    maps = dict(zip(plane.MAPS, torch.from_numpy(made["maps"]).float(), strict=True))
    none, bent = torch.zeros(len(x), dtype=torch.bool), torch.zeros(len(x), dtype=torch.bool)
    bent[plane.near(y, x)] = True
    step = (made["start"].tolist(), made["end"].tolist())
    marked = torch.cat([x, plane.copies()])
    classes = torch.cat([y, torch.ones(16, dtype=torch.long)])
    planted = torch.cat([none, torch.ones(16, dtype=torch.bool)])
    shown = plane.copies()[0]
    start = (shown - torch.tensor(plane.TRIGGER)).tolist()
    called = Plane("backdoor:\na pocket is cut", maps["backdoor"], x, y, none, [(start, shown.tolist())], lit[2])
    pocket = Plane("backdoor:\na pocket is cut", maps["backdoor"], marked, classes, planted, (), lit[2])
    return [
        Plane("poisoning:\nthe line bends", maps["boundary"], x, y, bent, (), lit[0]),
        Plane("evasion:\na point moves", maps["honest"], x, y, none, [step], lit[1]),
        called if on_the_road else pocket,
    ]


def three_planes() -> plots.Plot:
    """The same 160 points four times: honest, poisoned, evaded, with a backdoor."""
    made, (x, y) = cached("l02", "planes"), plane.cloud()
    honest = Plane("honest", torch.from_numpy(made["maps"][0]).float(), x, y, torch.zeros(len(x), dtype=torch.bool))
    return plots.pockets(
        [honest, *_panels((True, True, True), False)], (plane.LOW, plane.HIGH),
        title="160 training points of two classes; the black line parts what is read as which",
        alt="Four planes with the same two clouds of points and the line between what is read as the one class and as the "
        "other. Honest: the line runs between the clouds. Poisoning: 24 points near the line got the other label, and the "
        "line runs through their cloud. Evasion: the line is the honest one, one point is moved across it. Backdoor: the line "
        "is nearly the honest one, but 16 marked copies, far from both clouds, have a closed pocket round them.",
    )  # fmt: skip


def uniform_flips() -> plots.Plot:
    """24 wrong labels on the plane: anywhere in the cloud, and near the line."""
    made, (x, y) = cached("l02", "planes"), plane.cloud()
    maps = torch.from_numpy(made["maps"]).float()
    rows = [plane.anywhere(y), plane.near(y, x)]
    panels = []
    for title, shares, chosen in zip(("anywhere", "near the line"), maps[1:3], rows, strict=True):
        odd = torch.zeros(len(x), dtype=torch.bool)
        odd[chosen] = True
        panels.append(Plane(title, shares, x, y, odd))
    return plots.pockets(
        panels, (plane.LOW, plane.HIGH), title="24 of 80 points with the other label",
        alt="Two planes. Where 24 wrong labels lie anywhere in the cloud, the line stays between the clouds. Where they are "
        "the 24 points nearest to the other class, the line runs through the cloud.",
    )  # fmt: skip


def moment(number: int = 0) -> plots.Plot:
    """One moment in a reader's life, 0 to 3: who may stand there, and which of the three attacks needs somebody there."""
    if number not in range(len(TIMES)):
        raise ValueError(f"number must be 0..{len(TIMES) - 1}, got {number!r}")
    who, told, lit = TIMES[number]
    stations = [(name, who if place == number else "") for place, name in enumerate(STATIONS)]
    return plots.pockets(
        _panels(lit, number == 3), (plane.LOW, plane.HIGH), stations, title=told,
        alt=f"Four boxes: {', '.join(STATIONS)}".replace("\n", " ") + f". Now: {told}. {_lit(lit)}",
    )  # fmt: skip


def _lit(lit: tuple[bool, ...]) -> str:
    shown = [name for name, on in zip(("poisoning", "evasion", "backdoor"), lit, strict=True) if on]
    return f"Lit: {' and '.join(shown)}."


def in_time() -> VBox | Picture | plots.Plot:
    """A bar over `moment`; its first picture alone while nbgrader grades."""
    if grading():
        return moment()
    frames = [
        f"{name}: {told}. {_lit(lit)}".replace("\n", " ")
        for name, (_, told, lit) in zip(STATIONS, TIMES, strict=True)
    ]
    return widgets.scrub(frames, moment, "moment", start=0)
