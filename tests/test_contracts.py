"""Splits, poisoned sets and triggers: what every method of the house relies on."""

from dataclasses import dataclass

import pytest
import torch

from bdlab import BadNets, Patch, Recipe, Split, Trigger, all_to_all, all_to_one, source_to
from bdlab.contracts import Poisoned
from bdlab.relabel import check_relabel

X, Y = torch.rand(4, 1, 5, 6), torch.tensor([0, 1, 2, 1])


def _with(value):
    x = X.clone()
    x[1, 0, 2, 3] = value
    return x


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((X[0], Y, 3), r"data\.x must have shape \(N, C, H, W\), got \(1, 5, 6\)"),
        ((X.double(), Y, 3), r"data\.x must be float32 in \[0, 1\], got torch\.float64"),
        (((X * 255).byte(), Y, 3), r"got torch\.uint8; for 8-bit images use x\.float\(\) / 255"),
        ((_with(1.01), Y, 3), r"data\.x must lie in \[0, 1\], got \[\S+, 1\.01\]"),
        ((_with(-0.5), Y, 3), r"data\.x must lie in \[0, 1\], got \[-0\.5, "),
        ((_with(float("nan")), Y, 3), r"data\.x must lie in \[0, 1\], got \[nan"),
        ((_with(float("inf")), Y, 3), r"must lie in \[0, 1\]"),
        ((X, Y[:3], 3), r"data\.y must have shape \(4,\), one for each image, got \(3,\)"),
        ((X, Y.int(), 3), r"data\.y must be int64, got torch\.int32; data\.y\.long\(\)"),
        ((X, Y.float(), 3), r"data\.y must be int64"),
        ((X, Y, 2), r"data\.y must be in 0\.\.1, got 0\.\.2; check `classes`"),
        ((X, Y - 1, 3), r"data\.y must be in 0\.\.2, got -1\.\.1"),
        ((X, Y, 3, torch.zeros(3, dtype=torch.int64)), r"data\.source must have shape \(4,\)"),
        ((X, Y, 3, torch.zeros(4)), r"data\.source must be int64"),
    ],
)
def test_a_split_refuses_what_is_not_images_and_labels(arguments, message):
    with pytest.raises(ValueError, match=message):
        Split(*arguments)


def test_the_ends_of_the_range_are_allowed():
    x = torch.cat((torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2)))
    assert len(Split(x, torch.tensor([0, 1]), 2)) == 2
    assert len(Split(x[:0], torch.empty(0, dtype=torch.int64), 2)) == 0


def test_rows_of_a_split_keep_image_label_and_source_together():
    split = Split(X, Y, 3, torch.tensor([7, 7, 5, 4]))
    part = split[torch.tensor([2, 0])]
    assert torch.equal(part.x, X[[2, 0]]) and part.y.tolist() == [2, 0] and part.source.tolist() == [5, 7]
    assert (split.sources, part.sources, split[:2].sources) == (3, 2, 1)
    assert Split(X, Y, 3).sources == 4  # by default every row is its own


def test_halves_share_no_source_and_lose_no_row():
    generator = torch.Generator().manual_seed(0)
    source = torch.randint(0, 31, (200,), generator=generator)
    split = Split(torch.rand(200, 1, 2, 2), torch.zeros(200, dtype=torch.int64), 1, source)
    first, second = split.halves(3)
    one, two = set(first.source.tolist()), set(second.source.tolist())
    assert not one & two and one | two == set(source.tolist())
    assert len(one) == split.sources // 2 and len(first) + len(second) == 200
    assert torch.equal(split.halves(3)[0].x, first.x)
    assert any(set(split.halves(seed)[0].source.tolist()) != one for seed in range(4, 8))


@pytest.mark.parametrize(("mode", "length"), [("append", 230), ("replace", 200)])
def test_a_poisoned_set_changes_its_rows_and_no_others(mode, length, noise):
    base = noise(200)
    kept_x, kept_y = base.x.clone(), base.y.clone()
    poisoned = BadNets(rate=0.1, covers=0.05, relabel=source_to(3, 5), mode=mode).poison(
        Split(base.x, base.y % 5, 6)  # 40 rows of class 3
    )
    truth, covers = base.y % 5, poisoned.covers
    assert int((~covers).sum()) == 20 and int(covers.sum()) == 10 and len(poisoned) == length == len(poisoned.x)
    assert poisoned.indices.unique().numel() == 30
    assert truth[poisoned.indices[~covers]].unique().tolist() == [3]  # poisons come from the source class,
    assert 3 not in truth[poisoned.indices[covers]]  # covers from the others, and keep their label
    assert poisoned.labels[~covers].unique().tolist() == [5]
    assert torch.equal(poisoned.labels[covers], truth[poisoned.indices[covers]])
    rows = poisoned.indices if mode == "replace" else torch.arange(200, 230)
    expected_x, expected_y = base.x.clone(), truth.clone()
    if mode == "append":
        expected_x = torch.cat((expected_x, expected_x[:30]))
        expected_y = torch.cat((expected_y, expected_y[:30]))
    expected_x[rows], expected_y[rows] = Patch()(base.x[poisoned.indices]), poisoned.labels
    assert torch.equal(poisoned.x, expected_x) and torch.equal(poisoned.y, expected_y)
    assert torch.equal(poisoned.mask.nonzero()[:, 0], rows.sort().values)
    assert torch.equal(base.x, kept_x) and torch.equal(base.y, kept_y)
    split = poisoned.split
    assert torch.equal(split.x, expected_x) and torch.equal(split.source[rows], poisoned.indices)


@pytest.mark.parametrize(("rate", "count"), [(0.033, 7), (0.1, 20), (0.004, 1), (0.9, 180)])
def test_the_count_is_the_rounded_share_of_all_rows_none_of_the_target_class(rate, count, noise):
    data = noise(200)
    poisoned = BadNets(rate=rate, relabel=all_to_one(4)).poison(data)
    assert len(poisoned.indices) == count == poisoned.indices.unique().numel()
    assert 4 not in data.y[poisoned.indices] and not poisoned.covers.any()


def test_all_to_all_may_poison_every_row(noise):
    poisoned = BadNets(rate=1, relabel=all_to_all(10), mode="replace").poison(noise(200))
    assert torch.equal(poisoned.y, (noise(200).y + 1) % 10) and poisoned.mask.all()


def test_every_eligible_row_is_equally_likely(noise):
    """600 seeds draw 5 of the 45 eligible rows of 50: each is drawn 66.7 times on average, sd 7.7; 4.5 sd either way."""
    data, drawn = noise(50), torch.zeros(50)
    for seed in range(600):
        drawn[BadNets(rate=0.1, seed=seed).poison(data).indices] += 1
    eligible = data.y != 0
    assert drawn[~eligible].sum() == 0
    assert drawn[eligible].min() > 66.7 - 4.5 * 7.7 and drawn[eligible].max() < 66.7 + 4.5 * 7.7


def test_reading_a_poisoned_set_gives_new_tensors(noise):
    base = noise(20)
    poisoned = Poisoned(
        base, torch.tensor([3]), torch.ones(1, 1, 8, 8), torch.tensor([0]), torch.tensor([False]), "replace"
    )
    poisoned.x.zero_(), poisoned.y.fill_(9)
    assert torch.equal(base.x, noise(20).x) and torch.equal(base.y, noise(20).y) and poisoned.y[3] == 0


@dataclass(frozen=True)
class Shift(Trigger):
    """A random trigger: one pixel, drawn from the generator, turns white."""

    def stamp(self, x, generator):
        marked = x.clone()
        marked[:, :, int(torch.randint(x.shape[2], (), generator=generator)), 0] = 1
        return marked


def test_composition_is_one_trigger_after_the_other():
    x = torch.rand(3, 1, 9, 9)
    grey, black = Patch(at=(2, 2), colour=0.5), Patch(at=(4, 4), colour=0.0)  # they overlap in one pixel
    both = (grey >> black)(x)
    assert torch.equal(both, black(grey(x))) and not torch.equal(both, (black >> grey)(x))
    assert both[0, 0, 4, 4] == 0 and (black >> grey)(x)[0, 0, 4, 4] == 0.5
    assert torch.equal((grey >> black >> grey)(x), grey(black(grey(x))))


def test_composed_triggers_draw_from_the_generator_that_is_passed(global_rng_untouched):
    x, chain = torch.zeros(1, 1, 40, 2), Shift() >> Shift()
    one, two = (chain(x, torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(one, two) and one.sum() == 2  # two draws: the generator moved on in between
    assert not torch.equal(one, chain(x, torch.Generator().manual_seed(6)))


def test_a_trigger_refuses_what_is_not_images():
    with pytest.raises(ValueError, match=r"x must have shape \(N, C, H, W\), got \(9, 9\)"):
        Patch()(torch.rand(9, 9))
    with pytest.raises(ValueError, match=r"x must lie in \[0, 1\]"):
        (Patch() >> Patch())(torch.rand(1, 1, 9, 9) * 255)


@pytest.mark.parametrize(
    ("relabel", "expected"),
    [
        (all_to_one(2), [2, 2, 2, 2]),
        (all_to_all(4), [1, 2, 3, 0]),
        (source_to(1, 3), [0, 3, 2, 3]),
    ],
)
def test_relabel(relabel, expected):
    y = torch.arange(4)
    assert relabel(y).tolist() == expected and y.tolist() == [0, 1, 2, 3] and relabel(y).dtype == torch.int64
    check_relabel(relabel, 4)


def test_all_to_all_is_a_bijection_without_fixed_points():
    y = torch.arange(43)
    wanted = all_to_all(43)(y)
    assert wanted.sort().values.equal(y) and (wanted != y).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: all_to_one(-1), "target must be a class number from 0 up, got -1"),
        (lambda: all_to_all(1), "classes must be at least 2, got 1"),
        (lambda: source_to(-2, 1), "source must be a class number from 0 up, got -2"),
        (lambda: source_to(1, -2), "target must be a class number from 0 up, got -2"),
        (lambda: source_to(3, 3), "source and target must differ, got 3 for both"),
        (lambda: check_relabel(all_to_one(10), 10), r"target must be in 0\.\.9 for 10 classes, got 10"),
        (lambda: check_relabel(all_to_all(11), 10), r"classes must be 10, the number of classes of the data, got 11"),
        (lambda: check_relabel(all_to_all(10), 16), r"classes must be 16, .*, got 10 in all_to_all\(classes=10\)"),
        (lambda: check_relabel(source_to(10, 3), 10), r"source must be in 0\.\.9 for 10 classes, got 10 in source_to"),
        (lambda: Recipe(epochs=0), "epochs must be positive, got 0"),
        (lambda: Recipe(epochs=1, batch=-1), "batch must be positive, got -1"),
        (lambda: Recipe(epochs=1, lr=float("nan")), "lr must be positive, got nan"),
        (lambda: Recipe(epochs=1, optimiser="lbfgs"), "optimiser must be one of"),
        (lambda: Recipe(epochs=1, schedule="cosine"), "schedule must be one of"),
    ],
)
def test_wrong_settings_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
