"""TrojanZoo, run by the peers' interpreter: its own classes.

Its constructors want a folder tree and a command line, so BadNet and Strip are made with `__new__` and given the
attributes that the methods below use; every method is TrojanZoo's own.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import torch
import trojanzoo.environ
from common import load_strip, serve
from torch import Tensor
from torch.utils.data import DataLoader
from trojanvision.attacks import BadNet
from trojanvision.defenses import Strip
from trojanvision.marks import Watermark
from trojanzoo.utils.data import TensorListDataset

BATCH = 100
"""Its own default for validation."""


def _attack(x: Tensor) -> BadNet:
    """Its BadNets over images (N, C, H, W) that lie in memory; its own CIFAR-10 would decode pictures."""
    attack = BadNet.__new__(BadNet)
    attack.target_class = 0
    attack.dataset = SimpleNamespace(loader={"train": SimpleNamespace(dataset=TensorListDataset(x, [0] * len(x)))})
    attack.mark = Watermark(data_shape=list(x.shape[1:]), mark_height_offset=28, mark_width_offset=28)
    return attack


def marked(path: str) -> Callable[[], TensorListDataset]:
    """The marked rows alone; its training chains them behind the clean set, item by item."""
    x = torch.from_numpy(np.load(path))
    attack = _attack(x)
    return lambda: attack.get_poison_dataset(poison_num=len(x) // 10, seed=0)


def poison(path: str) -> Callable[[], Tensor]:
    """The poisoned training set as one tensor: the clean images and, behind them, the marked ones."""
    x = torch.from_numpy(np.load(path))
    attack = _attack(x)
    return lambda: torch.cat((x, attack.get_poison_dataset(poison_num=len(x) // 10, seed=0).data))


def strip(path: str) -> Callable[[], Tensor]:
    """Its `get_score` on batches of inputs; overlays come from memory where its data sets decode pictures."""
    net, tensors = load_strip(path)
    pool = TensorListDataset(tensors["pool"], [0] * len(tensors["pool"]))
    defense = Strip.__new__(Strip)
    defense.strip_alpha, defense.strip_sample_num = 0.5, 100
    defense.model = _Model(net)
    defense.loader = DataLoader(pool, batch_size=BATCH, drop_last=True)

    @torch.no_grad()
    def work() -> Tensor:
        return torch.cat([defense.get_score(rows) for rows in tensors["x"].split(BATCH)])

    return work


class _Model:
    """What Strip asks of TrojanZoo's models: logits, and a batch on the device."""

    def __init__(self, net: torch.nn.Module) -> None:
        self.net = net

    def __call__(self, x: Tensor) -> Tensor:
        return self.net(x)

    def get_data(self, data: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        return data[0], data[1]


if __name__ == "__main__":
    trojanzoo.environ.create(device="cpu", data_seed=0)
    serve({"marked": marked, "poison": poison, "strip": strip})
