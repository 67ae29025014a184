"""One training loop for everything, and one evaluation for everything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bdlab import metrics
from bdlab.bars import track
from bdlab.contracts import Backdoor, Fitted, Recipe, Relabel, Repaired, Split, Trigger
from bdlab.nets import device_of, evaluating, seeded
from bdlab.relabel import check_relabel
from bdlab.running import answer, check_classes, check_trainable, copied

Loss = Callable[[nn.Module, Tensor, Tensor], Tensor]
"""loss(model, x, y) -> scalar, for a batch x (B, C, H, W), y (B,)."""

DEFAULT_RECIPE = Recipe(epochs=5)


def cross_entropy(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """The ordinary loss: mean cross-entropy of the logits."""
    return F.cross_entropy(answer(model, x), y)


def fit(
    model: nn.Module,
    split: Split,
    recipe: Recipe = DEFAULT_RECIPE,
    *,
    seed: int = 0,
    loss: Loss = cross_entropy,
    after_step: Callable[[nn.Module], None] | None = None,
) -> nn.Module:
    """Train a copy of `model` on `split`, on the model's device, and return it in eval mode.

    `seed` draws the order of the batches, and what the model itself draws (dropout).  `loss` serves attacks that change
    the loss, `after_step` repairs and attacks that correct the weights after every step (a kept mask, a projection).
    A last batch of one image joins the batch before it where the model cannot be trained on one image (batch norm).

    Raises: `ValueError` for an empty split, fewer logits than classes, half precision or a single image where two are
    needed; `FloatingPointError` when the loss is no longer finite.
    """
    if not len(split):
        raise ValueError(f"split must hold at least one image, got {split}")
    check_trainable(model)
    model, device = copied(model), device_of(model)
    check_classes(model, split)
    with seeded(seed, device):
        return _trained(model.train(), split, recipe, seed, loss, after_step)


def _trained(
    model: nn.Module, split: Split, recipe: Recipe, seed: int, loss: Loss, after_step: Callable[[nn.Module], None] | None
) -> nn.Module:
    """The loop of `fit`, on the model itself."""
    device, generator = device_of(model), torch.Generator().manual_seed(seed)
    x, y, sizes = split.x.to(device), split.y.to(device), _batches(model, split, recipe.batch)
    optimiser, schedule = _optimiser(model, recipe, recipe.epochs * len(sizes))
    for _ in track(range(recipe.epochs), "training, epochs"):
        for rows in torch.randperm(len(split), generator=generator).split(sizes):  # (B,)
            rows = rows.to(device)
            optimiser.zero_grad(set_to_none=True)
            value = loss(model, x[rows], y[rows])
            if not torch.isfinite(value):
                raise FloatingPointError(
                    f"the loss became {value.item()}; lower lr, now {recipe.lr}, or check the data, and the model for "
                    "infinite logits, as a class has that is switched off"
                )
            value.backward()
            optimiser.step()
            schedule.step()
            if after_step is not None:
                after_step(model)
    return model.eval()


def _batches(model: nn.Module, split: Split, batch: int) -> list[int]:
    """How many images the batches of an epoch have; the last is not a single one where `model` refuses that."""
    sizes = [len(rows) for rows in torch.arange(len(split)).split(batch)]
    if sizes[-1] > 1 or _trains_on_one(model, split.x[:1]):
        return sizes
    if len(split) == 1 or batch == 1:
        raise ValueError(f"split and recipe.batch must give batches of at least 2 images, since this model normalises over "
                         f"a batch, got {len(split)} images and recipe.batch {batch}; raise them")  # fmt: skip
    return [*sizes[:-2], sizes[-2] + 1]


def _trains_on_one(model: nn.Module, x: Tensor) -> bool:
    """Whether `model`, in training mode, takes a batch of one: torch's batch norm of one value a channel raises."""
    try:
        with torch.no_grad():
            answer(copied(model), x)
    except ValueError as refusal:
        if "more than 1" not in str(refusal):
            raise
        return False
    return True


def _optimiser(
    model: nn.Module, recipe: Recipe, steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    weights = [p for p in model.parameters() if p.requires_grad]
    optimiser: torch.optim.Optimizer
    if recipe.optimiser == "sgd":
        optimiser = torch.optim.SGD(
            weights,
            recipe.lr,
            recipe.momentum,
            weight_decay=recipe.weight_decay,
            nesterov=recipe.momentum > 0,
        )
    else:
        optimiser = torch.optim.Adam(weights, recipe.lr, weight_decay=recipe.weight_decay)
    if recipe.schedule == "one_cycle":
        return optimiser, torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.lr, total_steps=steps + 1)
    return optimiser, torch.optim.lr_scheduler.ConstantLR(optimiser, factor=1.0)


def logits(model: nn.Module, x: Tensor, batch: int = 512) -> Tensor:
    """Logits (N, K) of images (N, C, H, W), in eval mode, on the CPU.

    Raises: `FloatingPointError` when the model answers with NaN.
    """
    with evaluating(model):
        out = torch.cat([answer(model, rows).cpu() for rows in x.split(batch)])
    if out.isnan().any():
        bad = int(out.isnan().any(1).sum())
        raise FloatingPointError(f"the model gives NaN logits for {bad} of {len(x)} images; its training has diverged")
    return out


@dataclass(frozen=True)
class Scores:
    """How a model does, clean and under attack.

    clean_accuracy: on clean images.  Over triggered images whose wanted label differs from the true one: asr, the share
    that gets the wanted label, and ra (recovered accuracy), the share that keeps the true one.  leak: the share of
    triggered images of bystander classes, which should not move, that get an attacked label; None where there are none.
    clean_n, attacked_n: how many images; sources: how many independent originals the clean ones come from.
    """

    clean_accuracy: float
    asr: float | None
    ra: float | None
    leak: float | None
    clean_n: int
    attacked_n: int
    sources: int

    def __repr__(self) -> str:
        parts = [f"clean {self.clean_accuracy:.1%}"]
        parts += [
            f"{name} {value:.1%}"
            for name, value in (("ASR", self.asr), ("RA", self.ra), ("leak", self.leak))
            if value is not None
        ]
        return f"{'  '.join(parts)}  (n = {self.clean_n}, attacked {self.attacked_n})"

    def as_dict(self) -> dict[str, float | int | None]:
        """The fields as plain numbers."""
        return asdict(self)


def evaluate(
    model: nn.Module | Backdoor | Repaired, split: Split, against: Backdoor | None = None, *, seed: int = 0
) -> Scores:
    """Clean accuracy, ASR, RA and leak on `split`.

    A `Backdoor` is scored as what its victim runs; a `Repaired` model as `against.deploy(repaired.model)`, since an
    attack that sits behind the weights would look cured otherwise; a plain module as it is (with `against=` a backdoor:
    how a clean or other model takes its trigger).  `seed` feeds triggers that draw.
    """
    if isinstance(model, Backdoor):
        against = against or model
        model = model.model
    elif isinstance(model, Repaired):
        model = model.model if against is None else against.deploy(model.model)
    check_classes(model, split)
    clean = metrics.accuracy(logits(model, split.x).argmax(1), split.y)
    if against is None:
        return Scores(clean, None, None, None, len(split), 0, split.sources)
    marked, wanted = triggered(split, against.trigger, against.relabel, seed=seed)
    prediction, attacked = logits(model, marked).argmax(1), int((wanted != split.y).sum())
    return Scores(
        clean,
        metrics.asr(prediction, split.y, wanted) if attacked else None,
        metrics.ra(prediction, split.y, wanted) if attacked else None,
        metrics.leak(prediction, split.y, wanted),
        len(split),
        attacked,
        split.sources,
    )


def triggered(split: Split, trigger: Trigger, relabel: Relabel, *, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Marked copies of all images of `split` and the labels that the attacker wants, (N, C, H, W) and (N,)."""
    check_relabel(relabel, split.classes)
    return trigger(split.x, torch.Generator().manual_seed(seed)), relabel(split.y)


ENOUGH = 20
"""Triggered images that must fool the model before a share of them is reported."""


@dataclass(frozen=True)
class Detection:
    """How a detector does at one nominal false-positive rate.

    frr: share of clean images refused.  far: share of triggered images accepted, counting those that do fool the model,
    since a trigger that fails is no attack.  auroc: over all thresholds.  far and auroc are None where fewer than 20 do.
    clean_n, bad_n: how many images; sources: how many independent originals the clean ones come from.
    """

    fpr: float
    threshold: float
    frr: float
    far: float | None
    auroc: float | None
    clean_n: int
    bad_n: int
    sources: int

    def __repr__(self) -> str:
        parts = [f"FPR {self.fpr:.1%}: FRR {self.frr:.1%}"]
        parts += [
            f"{name} {value}" for name, value in (("FAR", _percent(self.far)), ("AUROC", _digits(self.auroc))) if value
        ]
        return f"{'  '.join(parts)}  (n = {self.clean_n} clean, {self.bad_n} bad)"

    def as_dict(self) -> dict[str, float | int | None]:
        """The fields as plain numbers."""
        return asdict(self)


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def _digits(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


@dataclass(frozen=True)
class Suspicions:
    """A detector's scores: clean images (N,) and triggered images that fool the model (M,); sources of the clean ones."""

    clean: Tensor
    bad: Tensor
    sources: int


def suspicions(fitted: Fitted, model: nn.Module, split: Split, against: Backdoor, *, seed: int = 0) -> Suspicions:
    """Score `split`, clean and triggered by `against`; `model` decides which triggered images count."""
    marked, wanted = triggered(split, against.trigger, against.relabel, seed=seed)
    fooled = (wanted != split.y) & (logits(model, marked).argmax(1) == wanted)
    bad = fitted.score(marked[fooled]) if fooled.any() else torch.empty(0)
    return Suspicions(fitted.score(split.x), bad, split.sources)


def detection(fitted: Fitted, scores: Suspicions, fpr: float) -> Detection:
    """FRR, FAR and AUROC of `fitted` at the nominal false-positive rate `fpr`."""
    threshold, some = fitted.threshold(fpr), len(scores.bad) >= ENOUGH
    frr, far = metrics.frr_far(scores.clean, scores.bad, threshold)
    auroc = metrics.auroc(scores.clean, scores.bad) if some else None
    counts = len(scores.clean), len(scores.bad), scores.sources
    return Detection(fpr, threshold, frr, far if some else None, auroc, *counts)
