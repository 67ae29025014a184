"""Reaching into a model for one of its activation functions: finding it, swapping it, isolating it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from bdlab.evasion import Head, differentiating
from bdlab.nets import device_of
from bdlab.running import answer, copied


def find_activation(model: nn.Module, layer: int | str | None) -> int:
    """Which of the model's ReLUs is meant: by number, by the name of a stage (its last ReLU), None for the last of all."""
    names = activations(model)
    if not names:
        raise ValueError(f"model must have an nn.ReLU to alter, got {type(model).__name__} without one")
    if isinstance(layer, str):
        inside = [i for i, name in enumerate(names) if name == layer or name.startswith(f"{layer}.")]
    else:
        inside = list(range(len(names)))[slice(None) if layer is None else slice(layer, layer + 1 or None)]
    if not inside:
        raise ValueError(f"layer must be 0..{len(names) - 1} or one of {', '.join(names)}; got {layer!r}")
    return inside[-1]


def activations(model: nn.Module) -> list[str]:
    """Names of the model's ReLUs, in the order of its modules; one that stands in two places has two."""
    return [name for name, module in model.named_modules(remove_duplicate=False) if isinstance(module, nn.ReLU)]


def swapped(model: nn.Module, place: int, operation: nn.Module) -> nn.Module:
    """A copy of `model` with `operation` in place of its ReLU number `place`."""
    names = activations(model)
    if place >= len(names):
        raise ValueError(f"model must have at least {place + 1} ReLUs, as the attacked one had; got {len(names)}")
    model = copied(model)
    parent, _, child = names[place].rpartition(".")
    setattr(model.get_submodule(parent), child, operation.train(model.get_submodule(names[place]).training))
    return model


class Probe(nn.Module):
    """Stands in for an activation function: keeps what comes in, puts out what it is given, or else the ReLU."""

    seen: Tensor
    given: Tensor | None = None
    calls: int = 0

    def forward(self, v: Tensor) -> Tensor:
        self.seen, self.calls = v.detach(), self.calls + 1
        return v.relu() if self.given is None else self.given


@contextmanager
def isolated(model: nn.Module, place: int, x: Tensor) -> Iterator[tuple[Tensor, Head]]:
    """What enters ReLU number `place` for images (k, C, H, W), (k, ...), and the rest of the model, (n, F) -> (n, K)."""
    x, probe = x.to(device_of(model)), Probe()
    with differentiating(swapped(model, place, probe)) as opened:
        answer(opened, x)
        if probe.calls != 1:
            raise ValueError(f"layer must be a ReLU that runs once in a pass, got {activations(model)[place]!r}, which runs "
                             f"{probe.calls} times; give every place an nn.ReLU of its own")  # fmt: skip
        v = probe.seen.float()

        def head(h: Tensor) -> Tensor:
            probe.given = h.view(-1, *v.shape[1:]).to(probe.seen.dtype)
            return answer(opened, x[: len(h)])  # of the images only their number matters

        yield v, head
