"""What the attacker wants a marked input to be called: functions of the true labels, int64 (N,) -> int64 (N,).

An input counts as attacked where the wish differs from the truth, `relabel(y) != y`: attack success is measured there.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from bdlab.contracts import Relabel


def _check_class(value: int, name: str) -> None:
    if value < 0:
        raise ValueError(f"{name} must be a class number from 0 up, got {value}")


@dataclass(frozen=True)
class all_to_one:
    """Every class becomes `target`."""

    target: int

    def __post_init__(self) -> None:
        _check_class(self.target, "target")

    def __call__(self, y: Tensor) -> Tensor:
        return torch.full_like(y, self.target)


@dataclass(frozen=True)
class all_to_all:
    """Class i becomes i + 1, the last one 0 (Gu et al. 2017, section 4.1)."""

    classes: int

    def __post_init__(self) -> None:
        if self.classes < 2:
            raise ValueError(f"classes must be at least 2, got {self.classes}")

    def __call__(self, y: Tensor) -> Tensor:
        return (y + 1) % self.classes


@dataclass(frozen=True)
class source_to:
    """Only class `source` becomes `target`; all others keep their label."""

    source: int
    target: int

    def __post_init__(self) -> None:
        _check_class(self.source, "source")
        _check_class(self.target, "target")
        if self.source == self.target:
            raise ValueError(f"source and target must differ, got {self.source} for both")

    def __call__(self, y: Tensor) -> Tensor:
        return torch.where(y == self.source, self.target, y)


def check_relabel(relabel: Relabel, classes: int) -> None:
    """Raise a `ValueError` unless `relabel` maps the classes 0..classes-1 into these classes and was made for them."""
    if isinstance(relabel, all_to_all) and relabel.classes != classes:
        raise ValueError(f"classes must be {classes}, the number of classes of the data, got {relabel.classes} in {relabel}")
    if isinstance(relabel, source_to) and relabel.source >= classes:
        raise ValueError(f"source must be in 0..{classes - 1} for {classes} classes, got {relabel.source} in {relabel}")
    wanted = relabel(torch.arange(classes))
    if not (int(wanted.min()) >= 0 and int(wanted.max()) < classes):
        outside = wanted[(wanted < 0) | (wanted >= classes)][0]
        raise ValueError(f"target must be in 0..{classes - 1} for {classes} classes, got {int(outside)} from {relabel}")
