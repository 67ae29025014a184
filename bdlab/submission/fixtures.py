"""What a check can have built on the student's side: a closed list, and none of it does what an exercise asks.

A model, loader, optimiser, trigger or generator never crosses; it is made here, stays here and is named by its `Ref`.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from bdlab.nets import Net, Normalize, seeded

Kind = Literal["linear", "tiny", "tiny_bn"]


def model(
    kind: Kind,
    state: dict[str, Tensor] | None = None,
    *,
    shape: list[int] | tuple[int, ...] = (1, 8, 8),
    classes: int = 4,
    train: bool = False,
    stale_grad: bool = False,
    seed: int = 0,
) -> Net:
    """A small network of named stages; 'tiny' has stages conv, head, 'tiny_bn' a batch norm too, which shows the mode.

    No dropout: its masks come from the global generator, and a right answer may call the model in another order.

    stale_grad fills every `.grad` with ones, as a forgotten step would leave them.
    """
    channels, height, width = shape
    with seeded(seed):
        stages: dict[str, nn.Module] = {"normalize": Normalize()}
        if kind == "linear":
            stages["head"] = nn.Sequential(nn.Flatten(), nn.Linear(channels * height * width, classes))
        elif kind in ("tiny", "tiny_bn"):
            norm = (nn.BatchNorm2d(6),) if kind == "tiny_bn" else ()
            stages["conv"] = nn.Sequential(nn.Conv2d(channels, 6, 3, padding=1), *norm, nn.ReLU())
            stages["head"] = nn.Sequential(nn.Flatten(), nn.Linear(6 * height * width, classes))
        else:
            raise ValueError(f"kind must be linear, tiny or tiny_bn, got {kind!r}")
        net = Net((channels, height, width), classes, **stages)
    if state is not None:
        net.load_state_dict(state)
    if stale_grad:
        for parameter in net.parameters():
            parameter.grad = torch.ones_like(parameter)
    return net.train(train)


def batches(x: Tensor, y: Tensor, size: int) -> list[tuple[Tensor, Tensor]]:
    """A loader: pairs (B, ...), (B,) in order, the last one shorter where `size` does not divide N."""
    return list(zip(x.split(size), y.split(size), strict=True))


def sgd(net: nn.Module, lr: float) -> torch.optim.Optimizer:
    """Plain stochastic gradient descent over the parameters of `net`."""
    return torch.optim.SGD(net.parameters(), lr=lr)


def patch(at: list[int], size: int, value: float) -> Callable[[Tensor], Tensor]:
    """A trigger: a square of `size` x `size` pixels of `value` with its corner at (row, column), on a copy."""
    (row, column) = at

    def trigger(x: Tensor) -> Tensor:
        marked = x.clone()
        marked[..., row : row + size, column : column + size] = value
        return marked

    return trigger


def table(keys: list[float], values: list[dict[str, float]], *, once: bool = False) -> Callable[[float], Any]:
    """A function that knows its answers: key -> an object with the fields of its value.  once: each key only once."""
    rows = dict(zip(keys, values, strict=True))
    asked: set[float] = set()

    def look_up(key: float) -> Any:
        if key not in rows:
            raise KeyError(f"{key} is not among {sorted(rows)}")
        if once and key in asked:
            raise RuntimeError(f"the function was called twice for {key}; keep what it returned")
        asked.add(key)
        return SimpleNamespace(**rows[key])

    return look_up


def tensor(x: Tensor) -> Tensor:
    """`x` itself, to be passed more than once and looked at afterwards."""
    return x.clone()


def generator(seed: int) -> torch.Generator:
    """A seeded source of chance on the CPU."""
    return torch.Generator().manual_seed(seed)


FIXTURES: dict[str, Callable[..., Any]] = {
    make.__name__: make for make in (model, batches, sgd, patch, table, tensor, generator)
}
