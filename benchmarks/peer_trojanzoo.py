"""TrojanZoo, run by the peers' interpreter: its own classes.

Its constructors want a folder tree and a command line, so its objects are made with `__new__` and given the attributes
that the methods below use; every method is TrojanZoo's own.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import torch
import trojanzoo.environ
from common import plain_badnets_cnn, plain_small_bn, read, serve
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils import prune as torch_prune
from torch.utils.data import DataLoader
from trojanvision.attacks import BadNet
from trojanvision.defenses import FinePruning, NeuralCleanse, Strip
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
    net, tensors = read(path, plain_badnets_cnn)
    pool = TensorListDataset(tensors["pool"], [0] * len(tensors["pool"]))
    defense = Strip.__new__(Strip)
    defense.strip_alpha, defense.strip_sample_num = 0.5, 100
    defense.model = _Model(net)
    defense.loader = DataLoader(pool, batch_size=BATCH, drop_last=True)

    @torch.no_grad()
    def work() -> Tensor:
        return torch.cat([defense.get_score(rows) for rows in tensors["x"].split(BATCH)])

    return work


def cleanse(path: str, epochs: int = 1) -> Callable[[], Tensor]:
    """`optimize_mark` of its Neural Cleanse for class 0: `epochs` x 100 batches of 128, cut beforehand.

    The mark, (C + 1, H, W) with the mask last, goes into a file beside `path`.
    """
    net, tensors = read(path, plain_small_bn)
    x, generator = tensors["x"], torch.Generator().manual_seed(0)
    rows = [torch.randint(len(x), (128,), generator=generator) for _ in range(100)]
    loader = [(x[r], torch.zeros(len(r), dtype=torch.int64)) for r in rows]
    cleanser = NeuralCleanse.__new__(NeuralCleanse)
    cleanser.model, cleanser.attack = _Model(net), BadNet.__new__(BadNet)
    cleanser.attack.mark = _whole_image(list(x.shape[1:]))
    cleanser.defense_remask_epoch, cleanser.defense_remask_lr = epochs, 0.1
    cleanser.init_cost, cleanser.cost_multiplier_up, cleanser.cost_multiplier_down = 1e-3, 1.5, 1.5**1.5
    cleanser.nc_asr_threshold = cleanser.nc_early_stop_threshold = 0.99
    cleanser.nc_patience, cleanser.early_stop_patience = 10.0, 20.0

    def work() -> Tensor:
        torch.manual_seed(0)  # it draws its start from the global generator
        cleanser.cost = cleanser.init_cost
        mark, _ = cleanser.optimize_mark(0, loader=loader, verbose=False)
        torch.save(mark, f"{path}.mark")
        return mark

    return work


def cleanse_whole(path: str) -> Callable[[], Tensor]:
    """The same with its default of ten epochs."""
    return cleanse(path, epochs=10)


def _whole_image(shape: list[int]) -> Watermark:
    """A mark as large as the image (C, H, W), as its `detect` makes it before it looks for triggers."""
    mark = Watermark(data_shape=shape)
    mark.mark = torch.zeros(shape[0] + 1, *shape[1:])
    mark.mark_height, mark.mark_width = shape[1:]
    mark.mark_height_offset = mark.mark_width_offset = 0
    mark.mark_random_pos = False
    return mark


def prune(path: str) -> Callable[[], float]:
    """One level of its pruning: `prune_step` by one channel, and a pass over the test images for their accuracy.

    `prune_step` ranks the channels anew before every cut, here by the held-out images; its loader has the test images.
    The pass is a bare one; its `validate_fn` makes two, clean and triggered.
    """
    net, tensors = read(path, plain_small_bn)
    cut = len(list(net)) - 1  # all but the head
    pruner = FinePruning.__new__(FinePruning)
    pruner.model = _Model(net, net[:cut])
    held_out, test = (tensors[name].split(BATCH) for name in ("held_out", "x"))
    pruner.dataset = SimpleNamespace(loader={"valid": [(rows, rows) for rows in held_out]})
    mask = torch_prune.identity(net[cut - 1][0], "weight").weight_mask

    @torch.no_grad()
    def work() -> float:
        pruner.prune_step(mask, prune_num=1)
        return sum(int((net(x).argmax(1) == y).sum()) for x, y in zip(test, tensors["y"].split(BATCH), strict=True))

    return work


class _Model:
    """What its defences ask of TrojanZoo's models: logits, loss, maps, and a batch on the device."""

    def __init__(self, net: torch.nn.Module, features: torch.nn.Module | None = None) -> None:
        self.net, self.features = net, features

    def __call__(self, x: Tensor) -> Tensor:
        return self.net(x)

    def loss(self, x: Tensor, y: Tensor, _output: Tensor) -> Tensor:
        return F.cross_entropy(_output, y)

    def get_fm(self, x: Tensor) -> Tensor:
        return self.features(x)

    def get_data(self, data: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        return data[0], data[1]


TASKS = {
    "marked": marked,
    "poison": poison,
    "strip": strip,
    "cleanse": cleanse,
    "cleanse_whole": cleanse_whole,
    "prune": prune,
}

if __name__ == "__main__":
    trojanzoo.environ.create(device="cpu", data_seed=0)
    serve(TASKS)
