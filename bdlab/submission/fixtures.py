"""What a check can have built on the student's side: a closed list, and none of it does what an exercise asks.

A model, loader, optimiser, trigger or generator never crosses; it is made here, stays here and is named by its `Ref`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from bdlab.nets import Net, Normalize, seeded
from bdlab.weights import published

ZOO = "zoo:"
"""What the kind of a network of the zoo begins with."""


def model(
    kind: str,
    state: dict[str, Tensor] | None = None,
    *,
    shape: list[int] | tuple[int, ...] = (1, 8, 8),
    classes: int = 4,
    train: bool = False,
    stale_grad: bool = False,
    most: int | None = None,
    seed: int = 0,
) -> Net:
    """A network of named stages: 'linear'; 'tiny' with conv and head; 'tiny_bn' with a batch norm too, which shows the mode.

    No dropout: its masks come from the global generator, and a right answer may call the model in another order.
    'zoo:signs-badnets' is that network of the zoo, whose shape, classes and weights are its own.

    stale_grad fills every `.grad` with ones, as a forgotten step would leave them.  most: how many images it takes at once;
    more raise a `RuntimeError`, as a full memory would.
    """
    net = published(kind.removeprefix(ZOO)) if kind.startswith(ZOO) else _small(kind, shape, classes, seed)
    if state is not None:
        net.load_state_dict(state)
    if stale_grad:
        for parameter in net.parameters():
            parameter.grad = torch.ones_like(parameter)
    if most is not None:

        def refuse(_: nn.Module, given: tuple[Tensor, ...]) -> None:
            if len(given[0]) > most:
                raise RuntimeError(f"out of memory: {len(given[0])} images at once, at most {most} fit")

        net.register_forward_pre_hook(refuse)
    return net.train(train)


def _small(kind: str, shape: list[int] | tuple[int, ...], classes: int, seed: int) -> Net:
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
            raise ValueError(f"kind must be linear, tiny, tiny_bn or zoo:NAME, got {kind!r}")
        return Net((channels, height, width), classes, **stages)


def batches(x: Tensor, y: Tensor, size: int) -> list[tuple[Tensor, Tensor]]:
    """A loader: pairs (B, ...), (B,) in order, the last one shorter where `size` does not divide N."""
    return list(zip(x.split(size), y.split(size), strict=True))


def sgd(net: nn.Module, lr: float) -> torch.optim.Optimizer:
    """Plain stochastic gradient descent over the parameters of `net`."""
    return torch.optim.SGD(net.parameters(), lr=lr)


def patch(at: list[int], size: int, value: float) -> Callable[..., Tensor]:
    """A trigger: a square of `size` x `size` pixels of `value` with its corner at (row, column), on a copy.

    As strict as `bdlab.Patch`: it takes images (N, C, H, W) and nothing else.
    """
    (row, column) = at

    def trigger(x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        if x.ndim != 4:
            raise ValueError(f"x must be images (N, C, H, W), got shape {tuple(x.shape)}; keep the axis of the images")
        marked = x.clone()
        marked[..., row : row + size, column : column + size] = value
        return marked

    return trigger


def noisy_patch(at: list[int], size: int) -> Callable[..., Tensor]:
    """A random trigger: `trigger(x, generator=None)` puts a square of fresh noise, one for each image, on a copy.

    Without a generator it draws from the global one.
    """
    (row, column) = at

    def trigger(x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        marked = x.clone()
        window = marked[..., row : row + size, column : column + size]
        window.copy_(torch.rand(window.shape, generator=generator))
        return marked

    return trigger


def relabel(table: list[int]) -> Callable[[Tensor], Tensor]:
    """Labels that an attacker wants, looked up: class i becomes table[i]."""
    wanted = torch.tensor(table)
    return lambda y: wanted[y]


def scorer(keys: Tensor, values: Tensor) -> Callable[[Tensor], Tensor]:
    """A function that knows its answers: a key, equal in every number, or several at once -> its value, or theirs.

    keys: (N, ...); values: (N,).  Raises: `KeyError` for anything else.
    """

    def look_up(key: Tensor) -> Tensor:
        if key.shape == keys.shape[1:]:
            hits = (keys == key).flatten(1).all(1).nonzero()
            if not len(hits):
                raise KeyError("this is none of the things that can be scored")
            return values[hits[0, 0]]
        return torch.stack([look_up(one) for one in key])

    return look_up


def gradients(net: nn.Module) -> dict[str, Tensor]:
    """Parameter -> its gradient, zeros where there is none."""
    grads = ((name, parameter, parameter.grad) for name, parameter in net.named_parameters())
    return {name: torch.zeros_like(p) if g is None else g.clone() for name, p, g in grads}


def hooks(net: nn.Module) -> Tensor:
    """How many hooks its modules carry, int64."""
    places = [vars(module)[name] for module in net.modules() for name in vars(module) if name.endswith("_hooks")]
    return torch.tensor(sum(len(place) for place in places if isinstance(place, dict)))


def evaluated(net: nn.Module) -> nn.Module:
    """The network itself, in eval mode from now on."""
    return net.eval()


def tensor(x: Tensor) -> Tensor:
    """`x` itself, to be passed more than once and looked at afterwards."""
    return x.clone()


def generator(seed: int) -> torch.Generator:
    """A seeded source of chance on the CPU."""
    return torch.Generator().manual_seed(seed)


FIXTURES: dict[str, Callable[..., Any]] = {
    make.__name__: make
    for make in (model, batches, sgd, patch, noisy_patch, relabel, scorer, gradients, hooks, evaluated, tensor, generator)
}
