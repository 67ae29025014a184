"""FGSM, BIM and JSMA, written out."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bdlab.bars import track
from bdlab.checks import Checked, check_fraction, check_images
from bdlab.nets import device_of, in_eval_mode
from bdlab.running import HALVES, answer, check_labels, dtype_of, frozen
from bdlab.training import logits

BATCH = 256
"""Images that are attacked at once."""


@contextmanager
def differentiating(model: nn.Module) -> Iterator[nn.Module]:
    """`model` in eval mode with autograd on, wherever the caller stands; afterwards every submodule has its mode again."""
    with in_eval_mode(model), torch.inference_mode(False), torch.enable_grad():
        yield model


def next_class(y: Tensor, classes: int) -> Tensor:
    """The study's target 'Next': (y + 1) mod K, of labels (N,)."""
    return (y + 1) % classes


def least_likely(model: nn.Module, x: Tensor) -> Tensor:
    """The study's target 'LL': the class that `model` gives the lowest logit, (N,) for images (N, C, H, W)."""
    return logits(model, x).argmin(1)


class Evasion(Checked, ABC):
    """How an input is changed until the model errs.  Subclasses implement `perturb`; some have a field `targeted`."""

    targeted: bool = False

    def __call__(self, model: nn.Module, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Changed copies of `x` (N, C, H, W) in [0, 1], on the device of `x`; model and `x` stay as they are.

        Raises: `ValueError` for images outside [0, 1], labels of the wrong shape, or none where a target is needed.
        """
        check_images(x)
        if y is None and self.targeted:
            raise ValueError("y must hold the classes to reach when targeted, got None; see next_class, least_likely")
        y = logits(model, x).argmax(1) if y is None else y
        check_labels(model, x, y)
        model = frozen(model) if dtype_of(model) in HALVES else model
        device, parts = device_of(model), list(zip(x.split(BATCH), y.split(BATCH), strict=True))
        with differentiating(model):
            done = [
                self.perturb(model, images.detach().to(device, copy=True), labels.to(device, copy=True))
                for images, labels in track(parts, type(self).__name__)
            ]
        return torch.cat(done).to(x.device)

    @abstractmethod
    def perturb(self, model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        """The attack itself, on a batch (B, C, H, W) with classes y (B,), the model being in eval mode."""


def uphill(model: nn.Module, x: Tensor, y: Tensor, targeted: bool) -> Tensor:
    """sign of the gradient of the loss with respect to `x`, away from `y` or, targeted, towards it: (B, C, H, W)."""
    x = x.detach().requires_grad_()
    loss = F.cross_entropy(answer(model, x), y, reduction="sum")  # a sum, so that an image's gradient ignores its neighbours
    (gradient,) = torch.autograd.grad(loss, x)
    return -gradient.sign() if targeted else gradient.sign()


@dataclass(frozen=True, kw_only=True)
class FGSM(Evasion):
    """x' = clip(x + epsilon sign(grad loss)): one step of the fast gradient sign method.

    epsilon: in (0, 1], by how much every pixel moves.  Where the model is so sure that its loss underflows to 0, the
    gradient is 0 too and the image stays as it is.
    """

    epsilon: float = 0.3
    targeted: bool = False

    def __post_init__(self) -> None:
        check_fraction(self.epsilon, "epsilon")

    def perturb(self, model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        return (x + self.epsilon * uphill(model, x, y, self.targeted)).clamp(0, 1)


@dataclass(frozen=True, kw_only=True)
class BIM(Evasion):
    """FGSM in `steps` steps of size `step`, each held within `epsilon` of the original.

    Fidelity: ten steps are the study's (its code; the paper's own rule depends on epsilon).
    """

    epsilon: float = 0.3
    step: float = 0.06
    steps: int = 10
    targeted: bool = False

    def __post_init__(self) -> None:
        check_fraction(self.epsilon, "epsilon")
        check_fraction(self.step, "step")
        if self.steps < 1:
            raise ValueError(f"steps must be at least 1, got {self.steps}")

    def perturb(self, model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        low, high = (x - self.epsilon).clamp(min=0), (x + self.epsilon).clamp(max=1)
        moved = x
        for _ in range(self.steps):
            moved = (moved + self.step * uphill(model, moved, y, self.targeted)).clamp(low, high)
        return moved


Head = Callable[[Tensor], Tensor]
"""Features (n, F) -> logits (n, K): a whole model for pixels, the rest of one for activations."""


def lead(z: Tensor, y: Tensor, targeted: bool) -> Tensor:
    """By how much the attack has won, (N,), from logits (N, K): positive where the class is `y`, or no longer is."""
    own = z.gather(1, y[:, None])[:, 0]
    best = z.scatter(1, y[:, None], -math.inf).amax(1)
    return own - best if targeted else best - own


def saliency(head: Head, h: Tensor, goal: Tensor, free: Tensor) -> Tensor:
    """S = alpha |beta| where alpha > 0 and beta < 0, else 0: (n, F), for features h (n, F), classes to reach goal (n,).

    alpha is the derivative of the goal's probability, beta that of the sum of all others; since all sum to 1, beta is
    -alpha, S its square, and the order that of alpha alone.  Where no free feature (n, F) has such a pair (or the product
    underflows), alpha - beta / (K - 1) takes its place.  Features that are not free get -inf.
    """
    h = h.detach().requires_grad_()
    p = head(h).softmax(1)  # (n, K)
    (alpha,) = torch.autograd.grad(p.gather(1, goal[:, None]).sum(), h, retain_graph=True)
    (beta,) = torch.autograd.grad(p.scatter(1, goal[:, None], 0.0).sum(), h)
    product = torch.where((alpha > 0) & (beta < 0), alpha * beta.abs(), 0.0)
    none = (product * free).amax(1, keepdim=True) <= 0  # (n, 1)
    return torch.where(none, alpha - beta / (p.shape[1] - 1), product).masked_fill(~free, -math.inf)


def jsma(
    head: Head, h: Tensor, y: Tensor, *, theta: Tensor | float, budget: int, targeted: bool = True, margin: float = 0.0,
    high: float = math.inf,
) -> Tensor:  # fmt: skip
    """Features (N, F) of which at most `budget` have risen by `theta` (a number, or (N, 1)), the most salient ones first.

    A row stops when it leads by more than `margin`, when its budget is spent, or when nothing helps.  Untargeted it heads
    for the class that was second.  No feature rises twice, none above `high`.
    """
    h, free, theta = h.clone(), h < high, torch.as_tensor(theta, device=h.device).expand(len(h), 1)
    with torch.no_grad():
        z = head(h)
    goal = y if targeted else z.scatter(1, y[:, None], -math.inf).argmax(1)  # (N,)
    rows = torch.arange(len(h), device=h.device)
    for _ in range(budget):
        rows = rows[lead(z, y[rows], targeted) <= margin]
        if not len(rows):
            break
        best, feature = saliency(head, h[rows], goal[rows], free[rows]).max(1)  # (n,), (n,)
        rows, feature = rows[best > 0], feature[best > 0]
        h[rows, feature] = (h[rows, feature] + theta[rows, 0]).clamp(max=high)
        free[rows, feature] = False
        with torch.no_grad():
            z = head(h[rows])
    return h


@dataclass(frozen=True, kw_only=True)
class JSMA(Evasion):
    """The few pixels that matter most rise by theta until the target class leads (Jacobian saliency map attack).

    theta: in (0, 1], by how much a pixel rises.  gamma: in (0, 1], share of the C H W values that may change.

    Fidelity: the paper picks pairs of pixels, ours one at a time, each once; both defaults are the study's.  The saliency is
    that of probabilities, hence the gradient of the goal's, see `saliency`.
    """

    theta: float = 1.0
    gamma: float = 0.1
    targeted: bool = True

    def __post_init__(self) -> None:
        check_fraction(self.theta, "theta")
        check_fraction(self.gamma, "gamma")

    def perturb(self, model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        flat = x.flatten(1)  # (B, C H W)
        budget = int(self.gamma * flat.shape[1] + 1e-9)  # .1 of 290 is 28.999...
        rule = {"theta": self.theta, "budget": budget, "targeted": self.targeted}
        return jsma(lambda h: answer(model, h.view(-1, *x.shape[1:])), flat, y, high=1.0, **rule).view_as(x)  # type: ignore[arg-type]
