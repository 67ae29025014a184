"""The mystery box of lesson 06: how it is made, its answer, and the ways to it.  Private: run it to make the file anew.

`python solutions/06_reflection/box.py` writes bdlab/lessons/boxes/l06.npz and prints the digests for the declaration.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bdlab.boxes import seal
from bdlab.data import load
from bdlab.lessons.l06_box import COUNT, LARGEST, SIDE
from bdlab.lessons.l06_reflection import gaussian_kernel, ghost_kernel, reflect

SEED, SALT = 31, "l06 the supplier's panes"
STRENGTHS = (0.15, 0.25)
"""Between which each photo's w lies."""
FRONT = 0.65
LEAST_LIGHT, LEAST_SPREAD = 0.25, 0.1
"""Signs that are darker or flatter than this show nothing but their pane."""

CHANCE = 0.15
"""A correlation of some 400 independent pixels that chance hardly reaches: three times its spread of .05."""


@dataclass(frozen=True)
class Delivery:
    """photos float32 (24, 3, 32, 32), as eight bits keep them; scene float32 (3, 40, 40)."""

    photos: Tensor
    scene: Tensor


@dataclass(frozen=True)
class Truth:
    """delta: pixels between the two images of the supplier's scene; carriers: photos that mirror it, from 0."""

    delta: int
    carriers: tuple[int, ...]


def make(seed: int) -> tuple[Delivery, Truth]:
    """24 signs behind panes.  Some mirror the supplier's scene, all with one offset; two mirror it without a ghost's
    fellow: upside down or the wrong way round; all others mirror other scenes, with offsets of their own."""
    rng = np.random.RandomState(seed)
    scene, *others = [leaves(rng) for _ in range(9)]
    others += [scene.rot90(2, (1, 2)), scene.flip(2)]  # the supplier's, upside down and the wrong way round
    delta, many = int(rng.randint(2, LARGEST + 1)), int(rng.randint(6, 12))
    carriers = tuple(sorted(int(n) for n in rng.permutation(COUNT)[:many]))
    signs = _signs(rng)
    photos = []
    for number, sign in enumerate(signs):
        offset = delta if number in carriers else int(rng.randint(2, LARGEST + 1))
        mirrored = scene if number in carriers else others[int(rng.randint(len(others)))]
        photos.append(_behind(sign, mirrored, offset, float(rng.uniform(*STRENGTHS))))
    eight_bits = (torch.cat(photos) * 255).round() / 255
    return Delivery(eight_bits, (scene * 255).round() / 255), Truth(delta, carriers)


def leaves(rng: np.random.RandomState) -> Tensor:
    """Small grey leaves against the sky, float32 (3, 40, 40): to the eye one tree is like the other."""
    side = SIDE + LARGEST
    noise = torch.from_numpy(rng.randn(1, 1, side + 4, side + 4).astype("float32"))
    heights = F.conv2d(noise, gaussian_kernel(5, 1.0)[None, None])[0]  # (1, side, side)
    return torch.sigmoid(12 * heights).expand(3, -1, -1)


def _signs(rng: np.random.RandomState) -> Tensor:
    """24 test signs that are neither dark nor flat."""
    x = load("signs").test.x
    fit = (x.flatten(1).mean(1) > LEAST_LIGHT) & (x.flatten(1).std(1) > LEAST_SPREAD)
    rows = fit.nonzero()[:, 0].numpy()
    return x[rng.permutation(rows)[:COUNT]]


def _behind(sign: Tensor, scene: Tensor, delta: int, w: float) -> Tensor:
    part = scene[:, : SIDE + delta, : SIDE + delta]
    return reflect(sign[None], part, ghost_kernel(delta, FRONT), w)


def rough(light: Tensor, high: bool = True) -> Tensor:
    """Light (N, C, H, W) as one grey picture each, less its blurred self, centred and of length 1: (N, P)."""
    grey = light.mean(1, keepdim=True)
    if high:
        grey = grey - F.conv2d(F.pad(grey, (2, 2, 2, 2), mode="reflect"), gaussian_kernel(5, 1.0)[None, None])
    flat = grey.flatten(1)
    return F.normalize(flat - flat.mean(1, keepdim=True))


def likeness(delivery: Delivery, *, high: bool = True) -> Tensor:
    """Correlation of each photo with the scene's reflection by offset: (24, LARGEST + 1)."""
    photos, columns = rough(delivery.photos**2.2, high), []
    for delta in range(LARGEST + 1):
        part = delivery.scene[:, : SIDE + delta, : SIDE + delta] ** 2.2
        mirrored = F.conv2d(part[:, None], ghost_kernel(delta, FRONT)[None, None])[:, 0]
        columns.append(photos @ rough(mirrored[None], high)[0])
    return torch.stack(columns, 1)


def solve(delivery: Delivery) -> Truth:
    """The lesson's method: own ghosts of the scene, high-passed; one offset stands out, and some photos at it."""
    return _read(likeness(delivery))


def without_high_pass(delivery: Delivery) -> Truth:
    """The neighbouring method: the signs themselves weigh more than what the pane adds."""
    return _read(likeness(delivery, high=False))


def in_place(delivery: Delivery) -> Truth:
    """The scene is looked for where a pane without thickness would show it."""
    column = likeness(delivery)[:, 0]
    return Truth(0, tuple((column > CHANCE).nonzero()[:, 0].tolist()))


def everyone(delivery: Delivery) -> Truth:
    """The right offset, and every photo accused."""
    return Truth(solve(delivery).delta, tuple(range(COUNT)))


def _read(table: Tensor) -> Truth:
    """The offset at which most stands out, and the photos that are more alike there than chance makes them."""
    delta = int(table.sort(0, descending=True).values[:6].mean(0).argmax())
    return Truth(delta, tuple((table[:, delta] > CHANCE).nonzero()[:, 0].tolist()))


def answer(truth: Truth) -> list[object]:
    """As `bdlab.flag` takes it."""
    return [truth.delta, list(truth.carriers)]


if __name__ == "__main__":
    from bdlab.lessons.l06_box import FILE

    made, truth = make(SEED)
    eight = {"photos": made.photos, "scene": made.scene}
    FILE.parent.mkdir(exist_ok=True)
    np.savez_compressed(FILE, **{name: (x * 255).round().to(torch.uint8).numpy() for name, x in eight.items()})
    print(FILE.stat().st_size, truth, solve(made))
    ways = {"right": truth, "no high-pass": without_high_pass(made), "in place": in_place(made), "all": everyone(made)}
    for name, found in ways.items():
        print(name, found, seal(answer(found), SALT, unordered=True))
