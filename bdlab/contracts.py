"""The nouns of the house: what a trigger, an attack and a defence take and what they return.

Images are float32 `(N, C, H, W)` in [0, 1], labels int64 `(N,)`. Hyper-parameters go into the constructor (a frozen,
keyword-only dataclass, so that `repr` shows them), data goes into the call. No method prints, draws from the global
random generator, or changes a model or a tensor that it was given.

A defence never sees the trigger: no signature below lets it. Only `evaluate` and the plots do.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from bdlab.checks import Checked, check_images, check_positive, check_whole

Shape = tuple[int, int, int]
"""Channels, height, width of one image."""
Relabel = Callable[[Tensor], Tensor]
"""The attacker's wish, true labels (N,) -> wanted labels (N,); see `bdlab.relabel`."""


@dataclass(frozen=True)
class Split:
    """Labelled images: two tensors that you may index.

    x: float32 (N, C, H, W) in [0, 1].  y: int64 (N,) in 0..classes-1.
    source: int64 (N,), which original each row was made from; rows of one source (augmentations of one scan, frames of
    one street sign) are not independent, so statistics count sources.  By default every row is its own source.
    """

    x: Tensor
    y: Tensor
    classes: int
    source: Tensor = None  # type: ignore[assignment]
    name: str = "data"

    def __post_init__(self) -> None:
        check_images(self.x, f"{self.name}.x")
        if self.source is None:
            object.__setattr__(self, "source", torch.arange(len(self.x)))
        for label, values in (("y", self.y), ("source", self.source)):
            check_whole(values, len(self.x), f"{self.name}.{label}")
        if len(self.y) and not (int(self.y.min()) >= 0 and int(self.y.max()) < self.classes):
            raise ValueError(
                f"{self.name}.y must be in 0..{self.classes - 1}, got {int(self.y.min())}..{int(self.y.max())}; "
                "check `classes`"
            )

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, rows: Tensor | slice) -> Split:
        return Split(self.x[rows], self.y[rows], self.classes, self.source[rows], self.name)

    def __repr__(self) -> str:
        shape = tuple(self.x.shape[1:])
        return f"Split({self.name}: {len(self)} images {shape}, {self.classes} classes, {self.sources} sources)"

    @cached_property
    def sources(self) -> int:
        """How many independent originals the rows come from."""
        return int(self.source.unique().numel())

    def halves(self, seed: int) -> tuple[Split, Split]:
        """Two disjoint halves with no source in both."""
        ids = self.source.unique()
        first = ids[torch.randperm(len(ids), generator=torch.Generator().manual_seed(seed))[: len(ids) // 2]]
        inside = torch.isin(self.source, first)
        return self[inside], self[~inside]


def check_clean(clean: Split | None, *, least: int = 1, classes: int = 1) -> Split:
    """The defender's clean images, if there are at least `least` of at least `classes` classes; else a `ValueError`."""
    if clean is None or len(clean) < least:
        found = "none" if clean is None else len(clean)
        raise ValueError(f"clean must hold at least {least} images, got {found}; give more, as in data.held_out")
    if len(clean.y.unique()) < classes:
        raise ValueError(f"clean must hold images of at least {classes} classes, got {clean.y.unique().tolist()}; draw "
                         "them from all classes")  # fmt: skip
    return clean


class Trigger(Checked, ABC):
    """How an input is marked: a pure function of images, composable as `first >> second`.

    Subclasses are frozen keyword-only dataclasses that implement `stamp`; a random trigger draws from `generator` only.
    """

    def __call__(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Marked copies of `x` (N, C, H, W) in [0, 1]: same shape, same range, `x` itself unchanged."""
        check_images(x)
        return self.stamp(x, generator)

    @abstractmethod
    def stamp(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        """The marking itself, on images that were checked."""

    def __rshift__(self, then: Trigger) -> Trigger:
        return Chain(self, then)


@dataclass(frozen=True)
class Chain(Trigger):
    """One trigger after another."""

    first: Trigger
    then: Trigger

    def stamp(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        return self.then(self.first(x, generator), generator)


@dataclass(frozen=True, kw_only=True)
class Recipe(Checked):
    """How a network is trained: one frozen field of every attack and repair that trains.

    lr is the peak of the schedule: 'one_cycle' rises for 30 % of the steps and falls to zero, 'constant' stays.
    momentum is SGD's, in Nesterov's form, where the schedule is 'constant'; 'one_cycle' takes its own, which falls from .95
    to .85 and rises again (Adam's first beta as well).
    """

    epochs: int
    batch: int = 128
    optimiser: Literal["sgd", "adam"] = "adam"
    lr: float = 2e-3
    momentum: float = 0.9
    weight_decay: float = 0.0
    schedule: Literal["one_cycle", "constant"] = "one_cycle"

    def __post_init__(self) -> None:
        check_positive(self, "epochs", "batch", "lr")
        for name, allowed in (("optimiser", ("sgd", "adam")), ("schedule", ("one_cycle", "constant"))):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {allowed}, got {getattr(self, name)!r}")


@dataclass(frozen=True)
class Poisoned:
    """A poisoned training set that remembers what was done; nothing is copied until `.x` is asked for.

    indices (n,): the rows of `base` that were used.  stamped (n, C, H, W), labels (n,): what became of them.
    covers (n,) bool: rows that carry the trigger and keep their true label.  mode: 'append' adds the stamped rows behind
    the base, 'replace' puts them where they came from.
    """

    base: Split
    indices: Tensor
    stamped: Tensor
    labels: Tensor
    covers: Tensor
    mode: Literal["append", "replace"]

    @property
    def rows(self) -> Tensor:
        """Where the stamped rows lie in `.x`, int64 (n,)."""
        return self.indices if self.mode == "replace" else len(self.base) + torch.arange(len(self.indices))

    @property
    def mask(self) -> Tensor:
        """Which rows of `.x` carry the trigger, bool (N',)."""
        mask = torch.zeros(len(self), dtype=torch.bool)
        mask[self.rows] = True
        return mask

    def __len__(self) -> int:
        return len(self.base) + (len(self.indices) if self.mode == "append" else 0)

    def _merge(self, base: Tensor, changed: Tensor) -> Tensor:
        if self.mode == "append":
            merged = base.new_empty(len(base) + len(changed), *base.shape[1:])
            merged[: len(base)], merged[len(base) :] = base, changed  # large arrays: faster than torch.cat
            return merged
        merged = base.clone()
        merged[self.indices] = changed
        return merged

    @property
    def x(self) -> Tensor:
        """The poisoned images, float32 (N', C, H, W): a new tensor."""
        return self._merge(self.base.x, self.stamped)

    @property
    def y(self) -> Tensor:
        """The labels that the victim sees, int64 (N',): a new tensor."""
        return self._merge(self.base.y, self.labels)

    @property
    def split(self) -> Split:
        """The poisoned set as training data."""
        source = self._merge(self.base.source, self.base.source[self.indices])
        return Split(self.x, self.y, self.base.classes, source, f"{self.base.name}, poisoned")

    def __repr__(self) -> str:
        covers = int(self.covers.sum())
        return f"Poisoned({self.mode} {len(self.indices) - covers} of {len(self.base)} rows, {covers} covers)"


@dataclass(frozen=True)
class Cost:
    """What an attack spent: wall seconds, rows with the attacker's label, cover rows, rows trained on."""

    seconds: float
    poisoned: int
    covers: int
    rows: int


def as_it_is(model: nn.Module) -> nn.Module:
    """The default `deploy`: the victim runs what was shipped."""
    return model


@dataclass(frozen=True)
class Backdoor:
    """An attacked model and all that its author knows.

    model: what the victim runs.  shipped: what the world is given, hence what sanitizers and inspectors see.
    deploy: how a shipped or repaired model becomes what the victim runs.
    """

    model: nn.Module
    shipped: nn.Module
    trigger: Trigger
    relabel: Relabel
    cost: Cost
    deploy: Callable[[nn.Module], nn.Module] = as_it_is

    def __repr__(self) -> str:
        c = self.cost
        return f"Backdoor({self.trigger}, {self.relabel}, {c.poisoned} poisoned + {c.covers} covers, {c.seconds:.1f} s)"


class Attack(Checked, ABC):
    """How a backdoor gets into a model.  `starts_from` tells which weights the attack expects to be given."""

    starts_from: ClassVar[Literal["fresh", "trained"]] = "fresh"

    @abstractmethod
    def __call__(self, model: nn.Module, data: Split) -> Backdoor:
        """Train a copy of `model` on `data` so that it obeys the trigger."""

    @property
    def twin_recipe(self) -> Recipe | None:
        """How the honest twin is trained from the same start: recipe and epochs of the attack, on the clean data.

        None where nothing is trained on the victim's data: the twin is the network that the attack was given.
        """
        return None


class Fitted(ABC):
    """A detector that has seen its model and its clean images."""

    @abstractmethod
    def score(self, x: Tensor) -> Tensor:
        """Suspicion of each image of `x` (N, C, H, W): float (N,), higher = more suspicious, always exact."""

    @abstractmethod
    def threshold(self, fpr: float) -> float:
        """The score above which a share `fpr` in (0, 1) of clean images is expected to lie."""

    def flag(self, x: Tensor, fpr: float) -> Tensor:
        """Which images of `x` (N, C, H, W) are refused: bool (N,)."""
        return self.score(x) > self.threshold(fpr)


class Detector(Checked, ABC):
    """A defence at run time: it judges inputs (input reformation, input filtering).

    `measures` says what its scores are, with their unit, for the axes of figures.
    """

    measures: ClassVar[str] = "suspicion"

    @abstractmethod
    def fit(self, model: nn.Module, clean: Split, calibration: Split | None = None) -> Fitted:
        """Prepare for `model`.  Without `calibration`, `clean` is split by source: half to work with, half to calibrate."""


@dataclass(frozen=True)
class Repaired:
    """A sanitizer's result; trace is the curve that the lecture draws, one dict of numbers a step."""

    model: nn.Module
    trace: list[dict[str, float]] = field(default_factory=list, repr=False)


class Sanitizer(Checked, ABC):
    """A defence before use: it repairs a copy of the model (model sanitization)."""

    @abstractmethod
    def __call__(self, model: nn.Module, clean: Split) -> Repaired:
        """A repaired copy of `model`, found with clean images only."""


@dataclass(frozen=True)
class Inspection:
    """An inspector's result, one entry a class (K,); `verdict` says it in words.

    norm: size (l1) of the smallest trigger found.  anomaly_index: how far it lies below the other classes'; NaN for classes
    without a trigger that works, which are `excluded`.  flagged: the classes above `cutoff`; flagged_at_two: those above the
    papers' 2.0.  ranking: the classes that are not excluded, smallest norm first.  triggers (K, C, H, W): what was found, to
    look at.  success: the share of images that it sends to the class.  indices: the anomaly index under each definition
    of the deviation, see `metrics.anomaly_index`.  reason: why there is no verdict, else empty.
    """

    norm: Tensor
    anomaly_index: Tensor
    cutoff: float
    flagged: list[int]
    triggers: Tensor | None = field(default=None, repr=False)
    flagged_at_two: list[int] = field(default_factory=list)
    excluded: list[int] = field(default_factory=list)
    ranking: list[int] = field(default_factory=list)
    success: Tensor | None = field(default=None, repr=False)
    indices: dict[str, Tensor] = field(default_factory=dict, repr=False)
    reason: str = field(default="", repr=False)

    @property
    def verdict(self) -> str:
        """'backdoored' where a class is flagged, 'cannot say: reason' where none could be, else 'no sign'."""
        return "backdoored" if self.flagged else f"cannot say: {self.reason}" if self.reason else "no sign"

    def as_dict(self) -> dict[str, object]:
        """Plain numbers, for JSON; None where a class has none."""
        numbers = {"norm": self.norm, "anomaly_index": self.anomaly_index, "success": self.success}
        parts = {key: None if v is None else [x if x - x == 0 else None for x in v.tolist()] for key, v in numbers.items()}
        names = ("verdict", "cutoff", "flagged", "flagged_at_two", "excluded", "ranking")
        return parts | {name: getattr(self, name) for name in names}


class Inspector(Checked, ABC):
    """A defence before use: it judges the model (model inspection)."""

    @abstractmethod
    def __call__(self, model: nn.Module, clean: Split | None = None) -> Inspection:
        """Look for a class that is suspiciously easy to reach."""
