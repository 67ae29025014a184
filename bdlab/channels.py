"""What pruning, the attack on it and the views share: cutting a net at a stage, channel statistics, channel masks."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bdlab.contracts import Split
from bdlab.nets import Net, device_of, evaluating


def split(model: nn.Module, layer: str) -> tuple[nn.Sequential, nn.Sequential]:
    """Trunk (pixels to the output of stage `layer`) and tail (from there to the logits); both share the model's modules.

    Raises `TypeError` for a module without named stages, `ValueError` for a stage that it does not have.
    """
    net = _staged(model)
    stages, parts = net.stages, list(net)  # a module that serves as two stages stands there twice
    if layer not in stages:
        raise ValueError(f"layer must be one of {', '.join(stages)}; got {layer!r}")
    cut = stages.index(layer) + 1
    return nn.Sequential(*parts[:cut]), nn.Sequential(*parts[cut:])


def _staged(model: nn.Module) -> Net:
    if not isinstance(model, Net):
        raise TypeError(
            f"model must be a bdlab.nets.Net, got {type(model).__name__}; wrap its parts as Net(..., name=stage)"
        )
    return model


def last_conv(model: Net) -> str:
    """The name of the last stage that holds a convolution: where pruning looks."""
    stages = zip(_staged(model).stages, model, strict=True)
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
    device, total = device_of(model), torch.zeros((), dtype=torch.float64)
    with evaluating(trunk):
        for rows in x.split(batch):
            total = total + of(check_maps(trunk(rows.to(device)), layer)).sum(0).cpu()
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
    device = device_of(trunk)
    with evaluating(trunk):
        return torch.stack([trunk(rows.to(device)).amax((0, 2, 3)).cpu() for rows in x.split(batch)]).amax(0)


class ChannelMask(nn.Module):
    """Multiplies channel c by keep[c], which makes a masked channel exactly 0 whatever its bias or batch norm says."""

    keep: Tensor

    def __init__(self, keep: Tensor) -> None:
        super().__init__()
        self.register_buffer("keep", keep.clone().float())

    def forward(self, maps: Tensor) -> Tensor:
        return maps * self.keep[:, None, None]


def masked(model: Net, layer: str, keep: Tensor) -> Net:
    """A copy of `model` whose stage `layer` ends in a mask; keep (channels,) is True for channels that stay."""
    split(model, layer)
    pruned = copy.deepcopy(model)
    setattr(pruned, layer, nn.Sequential(pruned.get_submodule(layer), ChannelMask(keep.to(device_of(model)))))
    return pruned


def unmasked(model: Net, layer: str) -> Net:
    """A copy of `model` without the mask that `masked` put behind stage `layer`: its state_dict has the old keys again."""
    parts = list(model.get_submodule(layer).children())
    if len(parts) != 2 or not isinstance(parts[1], ChannelMask):
        raise ValueError(f"layer must be a stage that `masked` has masked, got {layer!r}, which has no mask at its end")
    whole = copy.deepcopy(model)
    setattr(whole, layer, whole.get_submodule(layer)[0])  # type: ignore[index]
    return whole


def pruned_predictions(model: Net, layer: str, order: Tensor, x: Tensor, batch: int = 512) -> Tensor:
    """Predicted classes of images (N, C, H, W) while channels fall: row k without the first k of `order` (n,).

    int64 (n + 1, N), on the CPU.  The trunk runs once.  So does a linear layer right behind it, from which each falling
    channel's share is subtracted; any other tail runs once a row.
    """
    trunk, tail = split(model, layer)
    device, rows = device_of(model), []
    with evaluating(model):
        for images in x.split(batch):
            maps = check_maps(trunk(images.to(device)), layer)  # (B, channels, h, w)
            maps = maps.clone(memory_format=torch.contiguous_format)  # a stage that changes nothing gives `x` itself
            rows.append(torch.stack([_classes(out) for out in _falling(tail, maps, order.tolist())]))  # (n + 1, B)
    return torch.cat(rows, 1)


def _classes(out: Tensor) -> Tensor:
    """The predicted classes (B,) of logits (B, K), on the CPU."""
    if out.isnan().any():
        raise FloatingPointError("the model gives NaN logits; its training has diverged")
    return out.argmax(1).cpu()


def _falling(tail: nn.Sequential, maps: Tensor, order: list[int]) -> Iterator[Tensor]:
    """Logits (B, K) with the first 0, 1, ... channels of `order` at 0; overwrites `maps` (B, channels, h, w).

    What comes behind gets a copy each time, for it may work in place.
    """
    leaves = _flat(tail)
    if len(leaves) > 1 and isinstance(leaves[0], nn.Flatten) and isinstance(leaves[1], nn.Linear):
        linear, rest = leaves[1], nn.Sequential(*leaves[2:])
        columns = linear.weight.unflatten(1, (maps.shape[1], -1))  # (out, channels, h * w)
        hidden = linear(maps.flatten(1))  # (B, out)
        yield rest(hidden.clone())
        for channel in order:
            hidden = hidden - maps[:, channel].flatten(1) @ columns[:, channel].T  # (B, h * w) @ (h * w, out)
            yield rest(hidden.clone())
    else:
        yield tail(maps.clone())
        for channel in order:
            maps[:, channel] = 0
            yield tail(maps.clone())


def _flat(part: nn.Module) -> list[nn.Module]:
    """The modules that run one after another in `part`; one that stands there twice comes twice."""
    return [leaf for child in part for leaf in _flat(child)] if isinstance(part, nn.Sequential) else [part]


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
