"""Lesson 01, neural networks: its reader, how it is trained, and the library's parts of its exercises."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bdlab.contracts import Split
from bdlab.data import load
from bdlab.data.digits import enlarge
from bdlab.lessons.demos import Arrays, Unusable
from bdlab.nets import seeded

BATCH, EPOCHS, RATE = 50, 4, 0.1
"""How the lesson trains: images a step, passes, learning rate of plain gradient descent."""
ROWS = 6000
"""Images of one pass, all of digits; of a larger data set the next ones."""


class Reader(nn.Module):
    """Images (N, 1, 28, 28) -> logits (N, 10): two convolutions, one layer of neurons, one score a class.

    neurons: what computes the layer, `linear_relu(x, W, b)`.
    """

    def __init__(self, neurons: Callable[..., Tensor], seed: int = 0, maps: int = 24, width: int = 64) -> None:
        super().__init__()
        self.neurons = neurons
        with seeded(seed):
            self.look = nn.Sequential(nn.PixelUnshuffle(2), _convolution(4, maps), nn.MaxPool2d(2))
            self.again = _convolution(maps, 32)
            self.W = nn.Parameter(nn.init.kaiming_normal_(torch.empty(width, 32 * 49), nonlinearity="relu"))
            self.b = nn.Parameter(torch.zeros(width))
            self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        seen = self.again(self.look((x - 0.5) / 0.5)).flatten(1)  # (N, 32 * 7 * 7)
        return self.head(self.neurons(seen, self.W, self.b))


def _convolution(into: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(into, out, 3, padding=1), nn.BatchNorm2d(out), nn.ReLU())


class Batches:
    """A loader: pairs x (n, 1, 28, 28), y (n,) in an order that is new in every pass; `after` is told of every step."""

    def __init__(self, split: Split, seed: int = 0, after: Callable[[], None] | None = None) -> None:
        self.split, self.after = split, after
        self.generator, self.left = torch.Generator().manual_seed(seed), torch.zeros(0, dtype=torch.int64)

    def __len__(self) -> int:
        return -(-min(ROWS, len(self.split)) // BATCH)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        if not len(self.left):
            self.left = torch.randperm(len(self.split), generator=self.generator)
        order, self.left = self.left[:ROWS], self.left[ROWS:]
        for rows in order.split(BATCH):
            yield self.split.x[rows], self.split.y[rows]
            if self.after is not None:
                self.after()


def check_layer(linear_relu: Any) -> None:
    """Raise `Unusable` where no network can be trained with that layer: no gradient passes it, or it takes too long."""
    draw = torch.Generator().manual_seed(0)
    x, W = torch.rand(BATCH, 32 * 49, generator=draw), torch.randn(64, 32 * 49, generator=draw).requires_grad_()
    start = time.thread_time()  # of this thread alone: the machine may be busy
    result = linear_relu(x, W, torch.zeros(64, requires_grad=True))
    seconds = time.thread_time() - start
    if not result.requires_grad or torch.autograd.grad(result.sum(), W, allow_unused=True)[0] is None:
        raise Unusable(linear_relu, "gives numbers without a gradient, so that its weights could not learn")
    if seconds > 0.25:
        raise Unusable(linear_relu, f"takes {seconds:.1f} s for one batch: training would take minutes")


# --- the library's parts of the exercises ---


def linear_relu(x: Tensor, W: Tensor, b: Tensor) -> Tensor:
    """The library's part of the exercise `linear_relu`, which see."""
    return F.relu(F.linear(x, W, b))


def accuracy(model: nn.Module, x: Tensor, y: Tensor, batch: int) -> float:
    """The library's part of the exercise `accuracy`, which see."""
    return (answers(model, x, batch).argmax(1) == y).float().mean().item()


def answers(model: nn.Module, x: Tensor, batch: int = 500) -> Tensor:
    """Logits (N, 10) in eval mode; the model's mode is left as it was."""
    training = model.training
    model.eval()
    with torch.no_grad():
        found = torch.cat([model(part) for part in x.split(batch)])
    model.train(training)
    return found


def softmax_xent(logits: Tensor, y: Tensor) -> Tensor:
    """The library's part of the exercise `softmax_xent`, which see."""
    return F.cross_entropy(logits, y)


def train_epoch(model: nn.Module, loader: Any, optimiser: torch.optim.Optimizer) -> float:
    """The library's part of the exercise `train_epoch`, which see."""
    model.train()
    losses = list[Tensor]()
    for x, y in loader:
        optimiser.zero_grad()
        each = F.cross_entropy(model(x), y, reduction="none")  # (n,)
        each.mean().backward()
        optimiser.step()
        losses.append(each.detach())
    return torch.cat(losses).mean().item()


# --- trained by the library ---


@cache
def _bought() -> Reader:
    model = Reader(linear_relu)
    optimiser, loader = torch.optim.SGD(model.parameters(), RATE), Batches(load("digits").train)
    for _ in range(EPOCHS):
        train_epoch(model, loader, optimiser)
    return model.eval()


def bought() -> Reader:
    """A reader as the library trains it, a copy; the first call takes about 6 s."""
    return copy.deepcopy(_bought())


# --- cached demos ---

RATES = (0.001, 0.1, 10.0)
"""Learning rates of which one crawls, one works and one explodes."""


def rates() -> Arrays:
    """Two passes with each of RATES: loss float32 (rate, 240), one value a step; accuracy float (rate,) on the test set."""
    data, losses, shares = load("digits"), [], []
    for rate in RATES:
        model, own = Reader(linear_relu), list[float]()
        optimiser, loader = torch.optim.SGD(model.parameters(), rate), Batches(data.train)
        for _ in range(2):
            for x, y in loader:
                optimiser.zero_grad()
                loss = F.cross_entropy(model(x), y)
                loss.backward()
                optimiser.step()
                own.append(loss.item())
        losses.append(own)
        shares.append(accuracy(model, data.test.x, data.test.y, 500))
    return {"loss": np.array(losses, dtype="float32"), "accuracy": np.array(shares)}


def seen() -> Arrays:
    """What `bought` sees in one test image of each class: image, first (10, 8, 14, 14), second (10, 8, 7, 7) maps as
    uint8, each as a share of the layer's largest value; the eight maps that vary most.  neurons (10, 64), shares (10, 10).
    """
    model, test = bought(), load("digits").test
    x = test.x[[int((test.y == label).nonzero()[3]) for label in range(10)]]
    with torch.no_grad():
        first = model.look[:2]((x - 0.5) / 0.5)  # (10, 24, 14, 14)
        second = model.again(model.look[2](first))  # (10, 32, 7, 7)
        neurons = linear_relu(second.flatten(1), model.W, model.b)  # (10, 64)
        shares = model(x).softmax(1)
    found = {"image": x[:, 0], "first": _eight(first), "second": _eight(second), "neurons": neurons / neurons.max()}
    packed = {name: (255 * values).round().byte().numpy() for name, values in found.items()}
    return {**packed, "shares": shares.numpy()}


def _eight(maps: Tensor) -> Tensor:
    """The eight maps that vary most, in [0, 1]."""
    order = maps.transpose(0, 1).flatten(1).var(1).argsort(descending=True)[:8]
    return maps[:, order.sort().values] / maps.max()


def training() -> Arrays:
    """A training of `bought`, pass by pass: loss, test_loss, accuracy float (EPOCHS,).

    fresh, fresh_loss: accuracy and test loss before it.  ten (10,): what is read in the drawn digits; ten_shares, nonsense_shares (n, 10).
    logits float16 (1500, 10): of the test images.
    """
    data, model = load("digits"), Reader(linear_relu)
    fresh, raw = accuracy(model, data.test.x, data.test.y, 500), answers(model, data.test.x)
    optimiser, loader = torch.optim.SGD(model.parameters(), RATE), Batches(data.train)
    losses, shares, test_losses = [], [], []
    for _ in range(EPOCHS):
        losses.append(train_epoch(model, loader, optimiser))
        shares.append(accuracy(model, data.test.x, data.test.y, 500))
        test_losses.append(softmax_xent(answers(model, data.test.x), data.test.y).item())
    read = answers(model, ten()).argmax(1)
    return {
        "fresh": np.array(fresh), "fresh_loss": np.array(softmax_xent(raw, data.test.y).item()), "loss": np.array(losses), "accuracy": np.array(shares), "test_loss": np.array(test_losses),
        "logits": answers(model, data.test.x).numpy().astype("float16"), "ten": read.numpy(), "ten_shares": answers(model, ten()).softmax(1).numpy(),
        "nonsense_shares": answers(model, nonsense()).softmax(1).numpy(),
    }  # fmt: skip


# --- drawings ---

GREYS = {".": 0.0, "+": 0.5, "#": 1.0}
"""The three greys of a drawing: paper, half, ink."""


def scan(rows: list[str]) -> Tensor:
    """A drawing, eight rows of eight '.', '+' and '#', as a scan (1, 1, 8, 8)."""
    lines = [row.strip() for row in rows]
    if len(lines) != 8 or any(len(row) != 8 or set(row) - set(GREYS) for row in lines):
        raise ValueError(f"drawing must be eight rows of eight '.', '+' and '#', got {lines}")
    return torch.tensor([[[[GREYS[cell] for cell in row] for row in lines]]])


TEN = (
    "........ ..+##+.. .+#++#+. .##..##. .##..##. .+#++#+. ..+##+.. ........",
    "...++... ..+##... .+###... ...##... ...##... ...##... ..+##+.. ........",
    "..+##+.. .+#++#.. .....#+. ....+#.. ...+#+.. ..+#+... .+#####. ........",
    "..+##+.. .+..+#+. ....+#+. ...###.. .....+#. .+...+#. ..+##+.. ........",
    "....+#.. ...+##.. ..+#+#.. .+#.+#.. .######. ....+#.. ....+#.. ........",
    "..#####. ..#+.... ..#+.... ..####+. .....+#. ..+..+#. ..+###+. ........",
    "...+#+.. ..+#+... .+#+.... .+####+. .+#..+#. .+#..+#. ..+##+.. ........",
    "..#####. .....##. ....+#+. ...+#+.. ...##... ..+#+... ..##.... ........",
    "..+##+.. .+#..#+. ..#++#.. ..+##+.. .+#..#+. .#+..+#. ..+##+.. ........",
    "..+##+.. .+#..#+. .+#..##. ..+####. .....##. ....+#+. ..+##+.. ........",
)
"""The digits 0 to 9 as we drew them."""
NONSENSE = {
    "a house": "...##... ..####.. .######. .#....#. .#.##.#. .#.##.#. .#.##.#. ........",
    "a smile": "........ .##..##. .##..##. ........ #......# .#....#. ..####.. ........",
    "a cross": "#......# .#....#. ..#..#.. ...##... ...##... ..#..#.. .#....#. #......#",
    "a wave": "........ ........ .##...## #..#.#.. ....#... ........ ........ ........",
    "nothing": "........ ........ ........ ........ ........ ........ ........ ........",
}
"""Drawings of no digit."""


def ten() -> Tensor:
    """TEN as images (10, 1, 28, 28)."""
    return enlarge(torch.cat([scan(rows.split()) for rows in TEN]))


def nonsense() -> Tensor:
    """NONSENSE as images (n, 1, 28, 28)."""
    return enlarge(torch.cat([scan(rows.split()) for rows in NONSENSE.values()]))


MAKERS = {"rates": rates, "seen": seen, "training": training}
"""Name of a demo -> what makes its arrays."""
