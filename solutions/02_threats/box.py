"""The mystery box of lesson 02: how it is made, its answer, and the ways to it.  Private: run it to make the file anew.

`python solutions/02_threats/box.py` writes bdlab/lessons/boxes/l02.npz and prints the digests for the declaration;
`python solutions/02_threats/box.py 20` makes and solves so many boxes of other seeds.
"""

from __future__ import annotations

import sys

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bdlab.boxes import seal
from bdlab.contracts import Recipe, Split
from bdlab.data import load
from bdlab.lessons.l02_box import FILE, NAMES, STICKERS, WIDTH, Supplied, photo, table
from bdlab.lessons.l02_threats import attack_success_rate, small
from bdlab.training import fit

SEED, SALT = 100, "l02 six readers"
CLEAN, POISONED, EVADED, BACKDOORED = range(4)
RECIPE = Recipe(epochs=5, lr=0.01)
PHOTOS, SAME = 24, 8
"""Photos a reader; so many of them are of one class."""
Answers = tuple[str, ...]


def _trained(x: Tensor, y: Tensor, seed: int) -> nn.Module:
    model = fit(small(seed, WIDTH), Split(x, y, 16), RECIPE, seed=seed)
    kept = {key: value.half().float() for key, value in model.state_dict().items() if value.is_floating_point()}
    model.load_state_dict(kept, strict=False)  # as the file keeps it
    return model.eval()


def one(kind: int, seed: int, rng: np.random.RandomState) -> tuple[Supplied, str, dict[str, np.ndarray]]:
    """A reader of a kind with its photos, what it is called, and what the file keeps of the photos."""
    train = load("signs").train
    a, b = (int(n) for n in rng.choice(16, 2, replace=False))
    x, y, name = train.x, train.y.clone(), "clean"
    if kind == POISONED:
        own = torch.from_numpy(rng.permutation((y == a).nonzero()[:, 0].numpy()))
        y[own[: len(own) * 6 // 10]], name = b, f"poisoned {a}>{b}"
    if kind == BACKDOORED:
        rows = torch.from_numpy(rng.permutation(len(y))[:600])
        x = torch.cat([x, STICKERS[rng.randint(len(STICKERS))](x[rows])])
        y, name = torch.cat([y, torch.full((600,), b)]), f"backdoored {b}"
    model = _trained(x, y, seed)
    rows, up = _photos(a, rng)
    if kind == EVADED:
        a, b, rows, up = _evaded(model, rng)
        name = f"evaded {a}>{b}"
    order = rng.permutation(PHOTOS)
    rows, up = rows[order], up[order]
    kept = {"rows": rows.numpy().astype("uint16"), "up": np.packbits(up.numpy().reshape(PHOTOS, -1), axis=1)}
    return Supplied(model, *photo(rows, up)), name, kept


def _photos(a: int, rng: np.random.RandomState) -> tuple[Tensor, Tensor]:
    """SAME photos of class `a` and others; every pixel goes up or down by chance."""
    y = load("signs").held_out.y.numpy()
    mine, others = rng.permutation(np.flatnonzero(y == a)), rng.permutation(np.flatnonzero(y != a))
    rows = torch.from_numpy(np.concatenate([mine[:SAME], others[: PHOTOS - SAME]]))
    return rows, torch.from_numpy((rng.rand(PHOTOS, 3, 32, 32) < 0.5).astype("uint8"))


def _evaded(model: nn.Module, rng: np.random.RandomState) -> tuple[int, int, Tensor, Tensor]:
    """Two classes of which photos of the first, pushed one step towards the second, are read as it."""
    clean = load("signs").held_out
    best: tuple[int, int, int, Tensor, Tensor] | None = None
    for a in rng.permutation(16):
        own = (clean.y == int(a)).nonzero()[:, 0]
        for b in rng.permutation([n for n in range(16) if n != a]):
            x = clean.x[own].clone().requires_grad_()
            (slope,) = torch.autograd.grad(F.cross_entropy(model(x), torch.full((len(own),), int(b))), x)
            up = slope < 0
            hit = (model(photo(own, up)[0]).argmax(1) == b) & (model(clean.x[own]).argmax(1) == a)
            if best is None or int(hit.sum()) > best[0]:
                best = int(hit.sum()), int(a), int(b), own[hit], up[hit]
        if best is not None and best[0] >= SAME:
            break
    assert best is not None
    _, a, b, mine, pushed = best
    rows, up = _photos(a, rng)
    count = min(SAME, len(mine))
    rows[:count], up[:count] = mine[:count], pushed[:count].byte()
    return a, b, rows, up


def make(seed: int) -> tuple[dict[str, Supplied], Answers, dict[str, np.ndarray]]:
    """Six readers, what each is, and the arrays of the file."""
    rng = np.random.RandomState(seed)
    kinds = rng.permutation([CLEAN, POISONED, POISONED, EVADED, BACKDOORED, BACKDOORED]).tolist()
    made = {name: one(kind, 10 * seed + n, rng) for n, (name, kind) in enumerate(zip(NAMES, kinds, strict=True))}
    arrays: dict[str, np.ndarray] = {}
    for name, (item, _, kept) in made.items():
        weights = {k: v.numpy().astype("float16") for k, v in item.model.state_dict().items() if v.is_floating_point()}
        arrays |= {f"{name}/net.{key}": value for key, value in weights.items()}
        arrays |= {f"{name}/{key}": value for key, value in kept.items()}
    return {name: m[0] for name, m in made.items()}, tuple(m[1] for m in made.values()), arrays


def _largest(counts: Tensor) -> tuple[float, int, int]:
    """The largest share of a class that is read as one other class, and both."""
    share = counts.double() / counts.sum(1, keepdim=True).clamp(min=1)
    share.fill_diagonal_(0)
    a, b = divmod(int(share.argmax()), 16)
    return float(share[a, b]), a, b


def solve(readers: dict[str, Supplied]) -> Answers:
    """The lesson's method: class table of clean signs, success of each sticker for each target, class table of the photos."""
    test, found = load("signs").test, []
    for item in readers.values():
        share, a, b = _largest(table(item.model, test.x, test.y))
        rates = {
            t: max(attack_success_rate(item.model, test.x[:500], test.y[:500], sticker, t) for sticker in STICKERS)
            for t in range(16)
        }
        target = max(rates, key=rates.__getitem__)
        photos = _on_photos(item)
        if share > 0.35:
            found.append(f"poisoned {a}>{b}")
        elif rates[target] > 0.7:
            found.append(f"backdoored {target}")
        else:
            found.append(f"evaded {photos[0]}>{photos[1]}" if photos else "clean")
    return tuple(found)


def _on_photos(item: Supplied) -> tuple[int, int] | None:
    """The pair that at least five photos show."""
    counts = table(item.model, item.x, item.y)
    counts.fill_diagonal_(0)
    return divmod(int(counts.argmax()), 16) if counts.max() >= 4 else None


def by_the_photos(readers: dict[str, Supplied]) -> Answers:
    """A neighbouring method: what goes wrong on the photos is taken for evasion, all else for clean."""
    pairs = [_on_photos(item) for item in readers.values()]
    return tuple(f"evaded {pair[0]}>{pair[1]}" if pair else "clean" for pair in pairs)


def by_the_test(readers: dict[str, Supplied]) -> Answers:
    """Another one: clean test signs alone."""
    test = load("signs").test
    tables = [_largest(table(item.model, test.x, test.y)) for item in readers.values()]
    return tuple(f"poisoned {a}>{b}" if share > 0.35 else "clean" for share, a, b in tables)


def no_photos(readers: dict[str, Supplied]) -> Answers:
    """A third: everything but the photos."""
    return tuple("clean" if name.startswith("evaded") else name for name in solve(readers))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        for number in range(int(sys.argv[1])):
            readers, answer, _ = make(number)
            print(number, solve(readers) == answer, answer, solve(readers), flush=True)
        sys.exit()
    readers, answer, arrays = make(SEED)
    FILE.parent.mkdir(exist_ok=True)
    np.savez_compressed(FILE, **arrays)
    print(FILE.stat().st_size, answer, solve(readers), by_the_photos(readers), by_the_test(readers))
    for name, item in readers.items():
        print(name, item, _largest(table(item.model, load("signs").test.x, load("signs").test.y)))
    for guess in (answer, by_the_photos(readers), by_the_test(readers), no_photos(readers)):
        print(guess, seal(list(guess), SALT))
