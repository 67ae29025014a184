"""What pruning, the attack on it and the views share: cutting a net at a stage, channel statistics, channel masks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from bdlab.contracts import Split
from bdlab.nets import Net, device_of, evaluating
from bdlab.running import agree, answer, as_logits, copied, feed, hooked


def split(model: nn.Module, layer: str) -> tuple[nn.Sequential, nn.Sequential]:
    """Trunk (pixels to the output of stage `layer`) and tail (from there to the logits); both share the model's modules.

    Raises `TypeError` for a module without named stages, `ValueError` for a stage that it does not have.
    """
    net = staged(model)
    stages, parts = net.stages, list(net)  # a module that serves as two stages stands there twice
    if layer not in stages:
        raise ValueError(f"layer must be one of {', '.join(stages)}; got {layer!r}")
    cut = stages.index(layer) + 1
    return nn.Sequential(*parts[:cut]), nn.Sequential(*parts[cut:])


def staged(model: nn.Module) -> Net:
    """`model`, if it is a `Net` that does nothing but run its stages one after another; else a `TypeError`."""
    if not isinstance(model, Net):
        raise TypeError(
            f"model must be a bdlab.nets.Net, got {type(model).__name__}; wrap its parts as Net(..., name=stage)"
        )
    if type(model).forward is not Net.forward or hooked(model):
        raise TypeError(f"model must be a Net that runs its stages and nothing else, got {type(model).__name__} with a "
                        "forward or hooks of its own; put what it does into stages")  # fmt: skip
    return model


def last_conv(model: Net) -> str:
    """The name of the last stage that holds a convolution: where pruning looks."""
    stages = zip(staged(model).stages, model, strict=True)
    names = [name for name, stage in stages if any(isinstance(m, nn.Conv2d) for m in stage.modules())]
    if not names:
        raise ValueError(f"model has no convolution in its stages {', '.join(model.stages)}; name a layer")
    return names[-1]


def mean_activation(model: nn.Module, layer: str, x: Tensor, batch: int = 512) -> Tensor:
    """Mean output of every channel of stage `layer` over images (N, C, H, W) and positions: float64 (channels,)."""
    return _mean(model, layer, x, lambda maps: maps.double().mean((2, 3)), batch)


def mean_norm(model: nn.Module, layer: str, x: Tensor, p: float = float("inf"), batch: int = 512) -> Tensor:
    """Mean over images (N, C, H, W) of the l_p norm of every channel's map in stage `layer`: float64 (channels,)."""
    return _mean(model, layer, x, lambda maps: maps.double().flatten(2).norm(p, dim=2), batch)


def _mean(model: nn.Module, layer: str, x: Tensor, of: Callable[[Tensor], Tensor], batch: int) -> Tensor:
    """Mean over images of a number for every channel: `of` turns maps (B, channels, h, w) into (B, channels)."""
    trunk, _ = split(model, layer)
    total = torch.zeros((), dtype=torch.float64)
    with evaluating(trunk):
        for rows in x.split(batch):
            total = total + of(check_maps(trunk(feed(model, rows)), layer)).sum(0).cpu()
    return total / len(x)


def check_maps(out: Tensor, layer: str) -> Tensor:
    """What stage `layer` puts out, if it is maps (B, channels, h, w); else a `ValueError`."""
    if out.dim() != 4:
        raise ValueError(f"layer must be a stage that puts out maps (N, channels, h, w), got {layer!r} with shape "
                         f"(N, {', '.join(map(str, out.shape[1:]))}); take a convolution's")  # fmt: skip
    return out


def max_activation(model: nn.Module, layer: str, x: Tensor, batch: int = 512) -> Tensor:
    """Highest output of every channel of stage `layer` over images (N, C, H, W) and positions: (channels,)."""
    return peaks(split(model, layer)[0], x, batch)


def peaks(trunk: nn.Module, x: Tensor, batch: int = 512) -> Tensor:
    """Highest value of every channel of the maps that `trunk` makes of images (N, C, H, W): (channels,), on the CPU."""
    with evaluating(trunk):
        return torch.stack([trunk(feed(trunk, rows)).amax((0, 2, 3)).cpu() for rows in x.split(batch)]).amax(0)


class ChannelMask(nn.Module):
    """Multiplies channel c by keep[c], which makes a masked channel exactly 0 whatever its bias or batch norm says."""

    keep: Tensor

    def __init__(self, keep: Tensor) -> None:
        super().__init__()
        self.register_buffer("keep", keep.clone().float())

    def forward(self, maps: Tensor) -> Tensor:
        return maps * self.keep[:, None, None].to(maps.dtype)


def masked(model: Net, layer: str, keep: Tensor) -> Net:
    """A copy of `model` whose stage `layer` ends in a mask; keep (channels,) is True for channels that stay."""
    split(model, layer)
    pruned = copied(model)
    setattr(pruned, layer, nn.Sequential(pruned.get_submodule(layer), ChannelMask(keep.to(device_of(model)))))
    return pruned


def unmasked(model: Net, layer: str) -> Net:
    """A copy of `model` without the mask that `masked` put behind stage `layer`: its state_dict has the old keys again."""
    parts = list(model.get_submodule(layer).children())
    if len(parts) != 2 or not isinstance(parts[1], ChannelMask):
        raise ValueError(f"layer must be a stage that `masked` has masked, got {layer!r}, which has no mask at its end")
    whole = copied(model)
    setattr(whole, layer, whole.get_submodule(layer)[0])  # type: ignore[index]
    return whole


def pruned_predictions(model: Net, layer: str, order: Tensor, x: Tensor, batch: int = 512) -> Tensor:
    """Predicted classes of images (N, C, H, W) while channels fall: row k without the first k of `order` (n,).

    int64 (n + 1, N), on the CPU.  The trunk runs once.  So does a plain linear layer right behind it, from which each
    falling channel's share is subtracted; any other tail runs once a row.  Where the first images get other logits from
    that than from the whole masked network, this runs once a row.
    """
    split(model, layer)  # a stage of a Net, or its error
    falling, rows = _quickest(model, layer, order.tolist(), x[:FEW]), []
    with evaluating(model):
        for images in x.split(batch):
            rows.append(torch.stack([_classes(out) for out in falling(images)]))  # (n + 1, B)
    return torch.cat(rows, 1)


FEW = 8
"""Images on which a shortcut is compared with the whole network."""
Falling = Callable[[Tensor], Iterator[Tensor]]
"""Images (B, C, H, W) -> logits (B, K) with the first 0, 1, ... channels at 0."""


def _quickest(model: Net, layer: str, order: list[int], x: Tensor) -> Falling:
    """The first of three ways, the quickest first, whose logits are the whole network's on images `x`."""
    some = sorted({0, len(order) // 2, len(order)})  # of the rows
    with evaluating(model):
        whole = torch.stack([answer(masked(model, layer, keep).eval(), x) for keep in _keeps(model, layer, order, some, x)])
        for way in (_by_linear, _by_tail):
            found = list(way(model, layer, order, x))
            if found and agree(torch.stack(found)[some], whole):
                return partial(way, model, layer, order)
    return partial(_by_whole, model, layer, order)


def _keeps(model: Net, layer: str, order: list[int], rows: Sequence[int], x: Tensor) -> list[Tensor]:
    """The masks (channels,) of some rows: without the first `row` channels of `order`."""
    channels = torch.arange(_maps(model, layer, x[:1]).shape[1])
    return [~torch.isin(channels, torch.tensor(order[:row], dtype=torch.int64)) for row in rows]


def _maps(model: Net, layer: str, x: Tensor) -> Tensor:
    """The output (B, channels, h, w) of stage `layer`, a copy: a stage that changes nothing gives `x` itself."""
    maps = check_maps(split(model, layer)[0](feed(model, x)), layer)
    return maps.clone(memory_format=torch.contiguous_format)


def _classes(out: Tensor) -> Tensor:
    """The predicted classes (B,) of logits (B, K), on the CPU."""
    if out.isnan().any():
        raise FloatingPointError("the model gives NaN logits; its training has diverged")
    return out.argmax(1).cpu()


def _by_linear(model: Net, layer: str, order: list[int], x: Tensor) -> Iterator[Tensor]:
    """A falling channel's share is subtracted from the linear layer behind a flattening; nothing where there is none."""
    leaves = _flat(split(model, layer)[1])
    flatten, linear = (*leaves, None, None)[:2]
    if type(flatten) is not nn.Flatten or type(linear) is not nn.Linear:
        return
    if (flatten.start_dim, flatten.end_dim) != (1, -1):
        return
    maps, rest = _maps(model, layer, x), nn.Sequential(*leaves[2:])
    columns = linear.weight.unflatten(1, (maps.shape[1], -1))  # (out, channels, h * w)
    hidden = linear(maps.flatten(1))  # (B, out)
    yield as_logits(rest(hidden.clone()), len(x))
    for channel in order:
        hidden = hidden - maps[:, channel].flatten(1) @ columns[:, channel].T  # (B, h * w) @ (h * w, out)
        yield as_logits(rest(hidden.clone()), len(x))


def _by_tail(model: Net, layer: str, order: list[int], x: Tensor) -> Iterator[Tensor]:
    """What comes behind stage `layer` runs once a row; it gets a copy each time, for it may work in place."""
    maps, tail = _maps(model, layer, x), split(model, layer)[1]
    yield as_logits(tail(maps.clone()), len(x))
    for channel in order:
        maps[:, channel] = 0
        yield as_logits(tail(maps.clone()), len(x))


def _by_whole(model: Net, layer: str, order: list[int], x: Tensor) -> Iterator[Tensor]:
    """The whole network runs once a row, its stage `layer` masked."""
    for keep in _keeps(model, layer, order, range(len(order) + 1), x):
        yield answer(masked(model, layer, keep).eval(), x)


def _flat(part: nn.Module) -> list[nn.Module]:
    """The modules that run one after another in `part`; one that stands there twice comes twice."""
    plain = type(part) is nn.Sequential and not hooked(part)
    return [leaf for child in part for leaf in _flat(child)] if plain else [part]  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Curve:
    """What pruning costs on labelled images: order (n,), the channels as they fall, and accuracy (n,) float64.

    accuracy[k] is that of the network without the first k channels of `order`; the last channel of all never falls.
    """

    order: Tensor
    accuracy: Tensor

    def stop(self, max_drop: float) -> int:
        """How many channels fall before accuracy is more than `max_drop` below the whole network's."""
        below = self.accuracy < self.accuracy[0] - max_drop - 1e-9
        return int(below.nonzero()[0]) - 1 if below.any() else len(below) - 1

    def rows(self) -> list[dict[str, float]]:
        """A dict a level, for a trace: how many have fallen, which one last (-1: none yet), the accuracy left."""
        fallen = [-1, *self.order.tolist()]
        return [{"pruned": k, "channel": fallen[k], "clean_accuracy": a} for k, a in enumerate(self.accuracy.tolist())]

    def keep(self, count: int) -> Tensor:
        """Which channels stay when `count` have fallen: bool (n,)."""
        return ~torch.isin(torch.arange(len(self.order)), self.order[:count])


def curve(model: Net, layer: str, order: Tensor, data: Split) -> Curve:
    """The accuracy on `data` while the channels of stage `layer` fall in `order` (n,), all of them; the trunk runs once."""
    rows = pruned_predictions(model, layer, order[:-1], data.x)  # (n, N)
    return Curve(order, (rows == data.y.cpu()).double().mean(1))
