"""Reflections against the paper's kernels and the official code's arithmetic; what Refool poisons, filters and chooses."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from bdlab.attacks.refool import Refool, similarity
from bdlab.contracts import Recipe, Split
from bdlab.data import Dataset
from bdlab.experiments import refool as experiment
from bdlab.nets import build
from bdlab.relabel import all_to_one, source_to
from bdlab.triggers.reflection import (
    Reflection,
    displayed,
    drawn,
    gaussian,
    linear,
    photographed,
)

KINDS = ("same_depth", "out_of_focus", "ghost")
SIZES = [(1, 1, 28, 28), (3, 3, 32, 32), (2, 3, 20, 33), (1, 1, 33, 20)]  # batch of one; not square


def _noise(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sigma", [0.8, 1.0, 3.0])
def test_every_kernel_has_the_sum_one(kind, sigma):
    kernel = Reflection(kind=kind, sigma=sigma).kernel
    assert kernel.sum() == pytest.approx(1, abs=1e-6) and (kernel >= 0).all() and kernel.shape[0] == kernel.shape[1]


def test_the_kernels_are_the_papers():
    assert torch.equal(Reflection(kind="same_depth").kernel, torch.ones(1, 1))
    ghost = Reflection(kind="ghost", delta=3, first=0.7).kernel  # two impulses, 3 pixels apart in both directions
    assert ghost.shape == (4, 4) and ghost.count_nonzero() == 2
    assert ghost[3, 3].item() == pytest.approx(0.7) and ghost[0, 0].item() == pytest.approx(0.3)
    for sigma, side in ((1.0, 5), (1.2, 7), (5.0, 21)):  # cv2.GaussianBlur with ksize 2 ceil(2 sigma) + 1
        cv2 = pytest.importorskip("cv2")
        line = torch.from_numpy(cv2.getGaussianKernel(side, sigma)).float()
        torch.testing.assert_close(gaussian(sigma), line @ line.T, atol=1e-6, rtol=0)


@pytest.mark.parametrize("size", SIZES)
def test_a_ghost_without_shift_is_the_same_depth_model(size):
    x = _noise(*size)
    for alpha in (0.2, 0.6, 1.0):
        one, two = Reflection(kind="ghost", delta=0, alpha=alpha), Reflection(kind="same_depth", alpha=alpha)
        torch.testing.assert_close(one(x), two(x), atol=1e-6, rtol=0)
    assert not torch.allclose(Reflection(kind="ghost", delta=2)(x), two(x), atol=0.05)


@pytest.mark.parametrize("kind", ["same_depth", "ghost"])
@pytest.mark.parametrize("size", SIZES)
def test_no_share_of_the_light_leaves_the_image_as_it_is(kind, size, device):
    x = _noise(*size).to(device)
    x[0, 0, 0, :3] = torch.tensor([0.0, 1.0, 0.5])
    torch.testing.assert_close(Reflection(kind=kind, alpha=0.0)(x), x, atol=1e-5, rtol=0)
    near = (Reflection(kind=kind, alpha=1e-5)(x) - x).abs().max()
    assert near < 0.01  # the root is steep near black: 1e-5 of the light is .005 there


@pytest.mark.parametrize("kind", ["same_depth", "ghost"])
def test_a_fully_mirrored_scene_hides_the_picture(kind):
    trigger = Reflection(kind=kind, alpha=1.0, reflections=drawn()[:1])
    one, two = trigger(_noise(2, 3, 32, 32, seed=1)), trigger(_noise(2, 3, 32, 32, seed=2))
    torch.testing.assert_close(one, two)
    torch.testing.assert_close(one[0], one[1])


def test_light_is_mixed_not_pixel_values():
    """A white scene at .5 over black: half the light, which is a pixel value of .73; over white it changes nothing."""
    trigger = Reflection(kind="same_depth", alpha=0.5, reflections=torch.ones(1, 3, 8, 8))
    black, white = torch.zeros(1, 1, 12, 12), torch.ones(1, 1, 12, 12)
    assert trigger(black)[0, 0, 5, 5].item() == pytest.approx(0.5 ** (1 / 2.2), abs=1e-5)
    torch.testing.assert_close(trigger(white), white)


def _slow_ghost(x, scene, alpha, first, delta):
    """x (C, H, W), scene (C, H + delta, W + delta), pixel by pixel."""
    out = torch.empty_like(x)
    for c, i, j in torch.cartesian_prod(*(torch.arange(n) for n in x.shape)).tolist():
        mirrored = first * scene[c, i + delta, j + delta] ** 2.2 + (1 - first) * scene[c, i, j] ** 2.2
        out[c, i, j] = ((1 - alpha) * x[c, i, j] ** 2.2 + alpha * mirrored) ** (1 / 2.2)
    return out


def test_a_ghost_is_the_scene_and_its_shifted_copy():
    x, scenes = _noise(1, 3, 6, 7), _noise(1, 3, 8, 9, seed=1)  # the scene has the image's size and the margin already
    trigger = Reflection(alpha=0.3, first=0.8, delta=2, reflections=scenes)
    torch.testing.assert_close(trigger(x)[0], _slow_ghost(x[0], scenes[0], 0.3, 0.8, 2), atol=1e-5, rtol=0)


def _official_blur(t, blurred, alpha_t):
    """The blur branch of the official `blend_images` from r_blur on, for one image (H, W, 3), with att = 1.13."""
    import numpy as np
    from scipy.stats import norm

    t, r = t.numpy().astype(float) ** 2.2, blurred.numpy().astype(float).copy()
    both = r + t
    for c in range(3):
        over = both[:, :, c] > 1
        r[:, :, c] -= (max(1.0, (both[:, :, c] * over).sum() / (over.sum() + 1e-6)) - 1) * 1.13
    interval = 7 / len(t)
    line = np.diff(norm.cdf(np.linspace(-3 - interval / 2, 3 + interval / 2, len(t) + 1)))
    window = np.sqrt(np.outer(line, line))
    window = window / window.max()
    return ((r.clip(0, 1) * window[:, :, None] * (1 - alpha_t / 2) + t * alpha_t) ** (1 / 2.2)).clip(0, 1)


def test_out_of_focus_is_the_official_codes():
    pytest.importorskip("scipy")
    x, scenes = 0.5 + 0.5 * _noise(1, 3, 64, 64), 0.3 + 0.7 * _noise(1, 3, 68, 68, seed=1)  # bright: R is toned down
    trigger = Reflection(kind="out_of_focus", sigma=1.0, alpha=0.4, reflections=scenes)
    blurred = F.conv2d(scenes.transpose(0, 1) ** 2.2, gaussian(1.0)[None, None])[:, 0]  # (3, 64, 64)
    expected = _official_blur(x[0].permute(1, 2, 0), blurred.permute(1, 2, 0), 0.6)
    got = trigger(x)[0].permute(1, 2, 0)
    assert ((x + scenes[:, :, 2:-2, 2:-2]) > 1).any()
    torch.testing.assert_close(got.double(), torch.from_numpy(expected), atol=0.01, rtol=0)  # its window is in 64 steps


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", SIZES)
def test_a_reflection_is_a_pure_function_of_image_and_generator(kind, size, device, global_rng_untouched):
    trigger, x = Reflection(kind=kind), _noise(*size).to(device)
    kept = x.clone()
    one, two = (trigger(x, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(x, kept) and torch.equal(one, two) and one.shape == x.shape and one.device == x.device
    assert one.dtype == torch.float32 and one.min() >= 0 and one.max() <= 1
    assert torch.equal(trigger(x), trigger(x)) and not torch.equal(one, x)


def test_every_image_draws_its_own_reflection():
    trigger, x = Reflection(reflections=drawn()[:5]), torch.full((200, 1, 16, 16), 0.3)
    kinds = torch.unique(trigger(x, torch.Generator().manual_seed(1)).flatten(1), dim=0)
    assert len(kinds) == 5
    single = replace(trigger, reflections=drawn()[:1])
    assert len(torch.unique(single(x).flatten(1), dim=0)) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_finite_at_black_and_white(kind):
    x = torch.tensor([0.0, 1.0, 0.4]).repeat(1, 1, 12, 4).requires_grad_()
    for reflections in (torch.zeros(1, 3, 8, 8), torch.ones(1, 3, 8, 8)):
        (gradient,) = torch.autograd.grad(Reflection(kind=kind, alpha=0.3, reflections=reflections)(x).sum(), x)
        assert gradient.isfinite().all() and (gradient[..., 2::3] > 0).all()


def test_the_drawn_scenes_are_24_different_ones_and_the_same_again(global_rng_untouched):
    scenes = drawn()
    assert scenes.shape == (24, 3, 64, 64) and scenes.min() >= 0 and scenes.max() <= 1
    assert (torch.pdist(scenes.flatten(1)) > 5).all() and (scenes.flatten(1).std(1) > 0.02).all()
    drawn.cache_clear()
    assert torch.equal(drawn(), scenes) and torch.equal(drawn(8)[:1], drawn(8)[:1])
    assert not torch.equal(drawn(24, 1), scenes)


def test_scenes_from_a_folder(tmp_path):
    cv2, np = pytest.importorskip("cv2"), pytest.importorskip("numpy")
    for i, (height, width) in enumerate(((90, 130), (130, 90), (70, 70))):
        picture = np.zeros((height, width, 3), np.uint8)
        picture[..., 2] = 255  # red, in OpenCV's order
        picture[:, : max(0, (width - height) // 2)] = 0
        cv2.imwrite(str(tmp_path / f"{i}.png"), picture)
    (tmp_path / "notes.txt").write_text("no picture")
    scenes = photographed(tmp_path, 3)
    assert scenes.shape == (3, 3, 64, 64) and (scenes[:, 0] == 1).all() and (scenes[:, 1:] == 0).all()
    with pytest.raises(ValueError, match=r"photos must name a folder with at least 4 .jpg or .png files, got 3 below"):
        photographed(tmp_path, 4)
    (tmp_path / "3.png").write_text("broken")
    with pytest.raises(ValueError, match=r"photos must be pictures that OpenCV reads, .*3\.png is not"):
        photographed(tmp_path, 4)
    attack = Refool(photos=str(tmp_path), candidates=3, ssim=(-1.0, 1.0), keep=1)
    assert torch.equal(attack.scenes(Split(_noise(8, 1, 16, 16), torch.arange(8), 10)), scenes)


def test_the_repr_tells_two_sets_of_reflections_apart():
    one, two = (repr(Reflection(reflections=drawn()[i : i + 1])) for i in (0, 1))
    assert one != two and "reflections=1 #" in one and len(one) < 150
    assert one == repr(Reflection(reflections=drawn()[:1].clone()))
    assert repr(Reflection()).endswith("reflections=drawn)")


# What is poisoned


def test_clean_labels_stay_right_and_only_the_target_class_is_touched(digits):
    data = digits.train
    for target, share in ((0, 0.8), (3, 0.2)):
        poisoned = Refool(label_mode="clean", relabel=all_to_one(target), share=share).poison(data)
        assert (data.y[poisoned.indices] == target).all() and torch.equal(poisoned.y, data.y)
        assert len(poisoned.indices) == round(share * int((data.y == target).sum())) == len(poisoned.indices.unique())
        assert len(poisoned) == len(data) and not poisoned.covers.any()
        x, mask = poisoned.x, poisoned.mask
        assert torch.equal(x[~mask], data.x[~mask]) and (x[mask] != data.x[mask]).flatten(1).any(1).all()


def test_appended_copies_keep_the_originals(digits):
    poisoned = Refool(label_mode="clean", mode="append", share=0.5).poison(digits.train)
    assert torch.equal(poisoned.x[: len(digits.train)], digits.train.x)
    assert (poisoned.y[len(digits.train) :] == 0).all() and len(poisoned) == len(digits.train) + len(poisoned.indices)


def test_poison_labels_come_from_the_other_classes(digits):
    poisoned = Refool(rate=0.05).poison(digits.train)
    assert (
        len(poisoned.indices) == 300 and (digits.train.y[poisoned.indices] != 0).all() and (poisoned.labels == 0).all()
    )


def test_the_seed_draws_rows_and_reflections(noise, global_rng_untouched):
    data = noise(200)
    one, two, other = (Refool(label_mode="clean", seed=seed, share=0.5).poison(data) for seed in (4, 4, 5))
    assert torch.equal(one.indices, two.indices) and torch.equal(one.stamped, two.stamped)
    assert not torch.equal(one.indices.sort().values, other.indices.sort().values)


# What is mirrored


def test_the_filter_keeps_the_candidates_between_its_bounds(digits):
    attack = Refool(ssim=(0.5, 0.6), candidates=12, keep=1)
    kept, x = attack.scenes(digits.train), digits.train.x[:8]
    values = [similarity(replace(attack.trigger, reflections=one[None]), x) for one in drawn(12)]
    inside = [0.5 < value < 0.6 for value in values]
    assert 0 < sum(inside) < 12 and torch.equal(kept, drawn(12)[torch.tensor(inside)])
    with pytest.raises(
        ValueError, match=r"ssim must let at least keep=1 of 12 candidates through, got \(0.98, 0.99\); "
    ):
        replace(attack, ssim=(0.98, 0.99)).scenes(digits.train)


def test_a_trigger_with_reflections_brings_its_own_candidates(digits):
    own = drawn()[3:6]
    attack = Refool(trigger=Reflection(reflections=own), candidates=2, ssim=(-1.0, 1.0), keep=2)
    assert torch.equal(attack.scenes(digits.train), own)


def test_similarity_is_one_where_the_pane_mirrors_nothing():
    x = _noise(2, 3, 16, 16)
    assert similarity(Reflection(alpha=0.0), x) == pytest.approx(1, abs=1e-4)
    dark = Reflection(alpha=0.4, reflections=torch.zeros(1, 3, 8, 8))  # it dims, and so does what it is compared with
    assert similarity(dark, x) == pytest.approx(1, abs=1e-4)
    torch.testing.assert_close(displayed(linear(x)), x, atol=1e-5, rtol=0)


@pytest.fixture
def tiny(noise):
    """A net, 600 images and an attack that chooses among 9 scenes in three rounds."""
    data = noise(600, (1, 16, 16))
    attack = Refool(
        label_mode="clean", candidates=9, ssim=(-1.0, 1.0), rounds=3, keep=1, recipe=Recipe(epochs=1), seed=7
    )
    return build("small_bn", (1, 16, 16), 10, seed=0), data, attack


def test_weights_are_counts_and_unused_scenes_get_the_median(tiny, global_rng_untouched):
    net, data, attack = tiny
    before = {key: value.clone() for key, value in net.state_dict().items()}
    weights = attack.weights(net, data, attack.scenes(data))
    assert weights.shape == (4, 9) and (weights >= 0).all() and torch.equal(weights[0], torch.ones(9))
    for row in weights[1:]:
        value, count = row.unique(return_counts=True)
        median = value[count.argmax()]
        rest = row[row != median]  # three are used a round; at least six have their median
        assert count.max() >= 6 and (row % 0.5 == 0).all() and (row <= 200).all()
        assert len(rest) <= 3 and (rest > median).sum() <= 1 and (rest < median).sum() <= 1
    assert torch.equal(weights, attack.weights(net, data, attack.scenes(data)))
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())


def test_sent_counts_the_images_that_reach_the_target():
    """A network that reads the grey value off: five images become another class than theirs, three of them the target."""

    class ByGrey(nn.Module):
        def forward(self, x):
            return F.one_hot(
                (x.mean((1, 2, 3)) * 10).long().clamp(max=9), 10
            ).float()  # class k: k / 10 to (k + 1) / 10

    y = torch.tensor([1, 2, 3, 5, 6, 7, 8])
    x = torch.tensor([0.05, 0.05, 0.05, 0.95, 0.95, 0.75, 0.85])[:, None, None, None].expand(7, 1, 6, 6).contiguous()
    others, net = Split(x, y, 10), ByGrey()
    for target, count in ((0, 3), (9, 2), (4, 0)):
        attack = Refool(trigger=Reflection(kind="same_depth", alpha=0.0), relabel=all_to_one(target))
        assert attack._sent(net, others, torch.ones(3, 8, 8)) == count
    full = Refool(trigger=Reflection(kind="same_depth", alpha=1.0))  # the scene alone decides
    black, white = torch.zeros(3, 8, 8), torch.ones(3, 8, 8)
    assert full._sent(net, others, black) == 7 and full._sent(net, others, white) == 0


def test_weights_are_what_was_sent_and_the_median_elsewhere(tiny, monkeypatch):
    """Scene i sends 10 i + 1: every round three scenes are tried, and the middle one's count goes to all others."""
    net, data, attack = tiny
    scenes, tried = attack.scenes(data), []

    def sent(self, victim, others, scene):
        number = next(i for i, one in enumerate(scenes) if torch.equal(one, scene))
        assert (others.y != 0).all() and len(others) == min(200, int((data.y != 0).sum()))
        tried.append(number)
        return torch.tensor(10.0 * number + 1)

    monkeypatch.setattr(Refool, "_sent", sent)
    weights = attack.weights(net, data, scenes)
    rounds = [tried[at : at + 3] for at in (0, 3, 6)]
    assert len(tried) == 9 and all(len(set(three)) == 3 for three in rounds) and weights[0].tolist() == [1.0] * 9
    for row, three in zip(weights[1:].tolist(), rounds, strict=True):
        assert row == [10.0 * (i if i in three else sorted(three)[1]) + 1 for i in range(9)]


def test_a_scene_that_fools_is_tried_again(tiny, monkeypatch):
    """Scenes are drawn in proportion to their weights: where all others have 0, the one that has more is always there."""
    net, data, attack = tiny
    scenes, tried = attack.scenes(data), []

    def sent(self, victim, others, scene):
        tried.append(next(i for i, one in enumerate(scenes) if torch.equal(one, scene)))
        return torch.tensor(50.0 * (tried[-1] == first[0]))

    monkeypatch.setattr(Refool, "_sent", sent)
    monkeypatch.setattr("bdlab.attacks.refool.fit", lambda net, split, recipe, seed: net)
    first = [-1]
    attack.weights(net, data, scenes)
    first, tried = [tried[0]], []
    weights = replace(attack, rounds=6).weights(net, data, scenes)
    assert [tried[at : at + 3].count(first[0]) for at in range(0, 18, 3)] == [1] * 6
    assert weights[-1].tolist() == [50.0 * (i == first[0]) for i in range(9)]


def test_the_surrogate_knows_a_rare_target_class(noise):
    """Of 4,000 images 30 are of class 0: all of them stay among the 2,000, where chance would leave about 15."""
    x = torch.arange(4000.0).div(4000)[:, None, None, None].expand(-1, 1, 2, 2)
    y = torch.arange(4000) % 9 + 1
    y[torch.randperm(4000, generator=torch.Generator().manual_seed(5))[:30]] = 0
    data, attack = Split(x, y, 10), Refool(label_mode="clean", share=0.02, keep=1)
    few = attack._few(data, torch.Generator().manual_seed(1))
    rows = (few.x[:, 0, 0, 0] * 4000).round().long()
    assert len(few) == 2000 == len(rows.unique()) and int((few.y == 0).sum()) == 30 and torch.equal(few.y, y[rows])
    assert len(attack._scaled(few[:1000]).poison(few[:1000]).indices) >= 1  # 2 % of 30 is one image, of fewer none
    common = replace(attack, relabel=all_to_one(4))  # where chance leaves enough, it is the plain draw
    plain = torch.randperm(4000, generator=torch.Generator().manual_seed(1))[:2000]
    assert torch.equal(common._few(data, torch.Generator().manual_seed(1)).y, y[plain])
    rare = Refool(relabel=source_to(0, 3))._few(data, torch.Generator().manual_seed(1))  # a rare source class stays too
    assert int((rare.y == 0).sum()) == 30


@pytest.mark.parametrize(("own", "share", "kept"), [(30, 0.05, 30), (250, 0.0024, 200)])
def test_weights_are_found_where_the_target_class_or_the_share_is_small(own, share, kept, monkeypatch):
    """5 % of 30 and .24 % of 250 images are one image each; of the 2,000 that the surrogate sees it is one as well."""
    y = torch.arange(2500) % 9 + 1
    y[torch.randperm(2500, generator=torch.Generator().manual_seed(3))[:own]] = 0
    seen = []
    monkeypatch.setattr("bdlab.attacks.refool.fit", lambda net, split, recipe, seed: seen.append(split) or net)
    data, net = Split(_noise(2500, 1, 8, 8), y, 10), build("small_bn", (1, 8, 8), 10, seed=0)
    attack = Refool(label_mode="clean", share=share, candidates=3, ssim=(-1.0, 1.0), rounds=1, keep=1)
    assert attack.weights(net, data, attack.scenes(data)).shape == (2, 3) and len(attack.poison(data).indices) > 0
    warm, poisoned = seen
    assert len(warm) == 2000 and abs(int((warm.y == 0).sum()) - kept) <= (0 if own == 30 else 25)
    changed = (warm.x != poisoned.x).flatten(1).any(1)
    assert int(changed.sum()) == max(1, round(share * int((warm.y == 0).sum()))) and (poisoned.y[changed] == 0).all()


@pytest.mark.parametrize(
    ("settings", "marked"),
    [
        ({"label_mode": "clean", "share": 0.01}, 1),
        ({"label_mode": "clean", "share": 0.5}, 25),
        ({"rate": 0.0002}, 1),
        ({"rate": 0.98}, 1950),
        ({"rate": 0.1, "relabel": source_to(0, 1)}, 50),
        ({"rate": 0.1, "covers": 0.0002}, 201),
        ({"rate": 0.1, "covers": 0.3}, 250),
    ],
)
def test_settings_that_fit_the_training_set_fit_the_surrogates_images(settings, marked):
    """Of 2,000 images 50 are of class 0, fewer or more than these settings ask for."""
    y = torch.arange(2000) % 9 + 1
    y[:50] = 0
    few, attack = Split(_noise(2000, 1, 8, 8), y, 10), Refool(**settings)
    assert len(attack._scaled(few).poison(few).indices) == marked


def test_lots_are_not_the_draw_that_breaks_ties(tiny, monkeypatch):
    net, data, attack = tiny
    monkeypatch.setattr(Refool, "weights", lambda self, model, split, scenes: torch.ones(2, 9))  # all tie
    picks = [
        [repr(replace(attack, rounds=rounds, seed=seed).chosen(net, data).trigger) for seed in range(12)]
        for rounds in (1, 0)
    ]
    assert sum(a == b for a, b in zip(*picks, strict=True)) <= 5  # by chance 1.3 of 12; P(more than 5) < .001


@pytest.mark.parametrize(("scenes", "same"), [((3.0, 3.0, 5.0), 2), ((1.0, 2.0, 3.0), 0)])
def test_the_row_of_choosing_says_where_both_picks_are_the_same(scenes, same, monkeypatch, digits):
    def values(self, name, *, rounds, **settings):
        if name == "scene":
            return list(scenes) if rounds else [3.0, 3.0, 9.0]
        return [0.9, 0.8, 0.7] if rounds else [0.5, 0.6, 0.7]

    monkeypatch.setattr(experiment.Trials, "values", values)
    claim = experiment._selection(experiment.Trials(digits, [0, 1, 2]))
    assert f"the same reflection in {same} of 3 seeds)" in claim.what and claim.values == pytest.approx([0.4, 0.2, 0])


def test_the_first_scene_is_known_by_its_number():
    assert experiment._first_scene(Refool(), Reflection(reflections=drawn()[[7, 2]])) == 7


def test_the_heaviest_scenes_become_the_trigger(tiny, monkeypatch):
    net, data, attack = tiny
    heavy = torch.tensor([[1.0] * 9, [3, 9, 3, 3, 3, 7.5, 3, 1, 8]])
    monkeypatch.setattr(Refool, "weights", lambda self, model, split, scenes: heavy)
    chosen = replace(attack, keep=3).chosen(net, data)
    assert torch.equal(chosen.trigger.reflections, drawn(9)[[1, 8, 5]])


def test_the_same_seed_makes_the_same_backdoor(tiny, global_rng_untouched):
    net, data, attack = tiny
    one, two = (replace(attack, rounds=1)(net, data) for _ in range(2))
    assert repr(one.trigger) == repr(two.trigger) and len(one.trigger.reflections) == 1
    for a, b in zip(one.model.state_dict().values(), two.model.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    assert (one.cost.poisoned, one.cost.rows) == (36, 600)


def test_without_rounds_the_seed_chooses(tiny):
    net, data, attack = tiny
    picks = {repr(replace(attack, rounds=0, seed=seed).chosen(net, data).trigger) for seed in range(8)}
    assert len(picks) > 2


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Reflection(kind="mirror"), "kind must be one of same_depth, out_of_focus, ghost; got 'mirror'"),
        (lambda: Reflection(alpha=1.2), r"alpha must be in \[0, 1\], got 1.2"),
        (lambda: Reflection(first=-0.1), r"first must be in \[0, 1\], got -0.1"),
        (lambda: Reflection(sigma=0.0), r"sigma must be in \(0, 10\] pixels, got 0.0; 'same_depth' does not blur"),
        (lambda: Reflection(delta=1.5), r"delta must be a whole number, got 1\.5"),
        (lambda: Reflection(delta=-1), r"delta must be a whole number of pixels in 0\.\.20, got -1"),
        (lambda: Reflection(reflections=torch.zeros(4, 1, 8, 8)), r"reflections must have shape \(M, 3, h, w\)"),
        (lambda: Reflection(reflections=torch.zeros(0, 3, 8, 8)), r"with M >= 1, got \(0, 3, 8, 8\)"),
        (
            lambda: Reflection(reflections=torch.full((1, 3, 8, 8), 9.0)),
            r"reflections must lie in \[0, 1\], got \[9, 9\]",
        ),
        (lambda: Refool(share=80), r"share must be in \(0, 1\], got 80; it is a share, not a percentage"),
        (lambda: Refool(rate=0), r"rate must be in \(0, 1\], got 0;"),
        (lambda: Refool(label_mode="dirty"), "label_mode must be 'clean' or 'poison', got 'dirty'"),
        (lambda: Refool(ssim=(0.9, 0.7)), r"ssim must be two rising numbers in \[-1, 1\], got \(0.9, 0.7\)"),
        (lambda: Refool(candidates=0, keep=1), "candidates must be at least 1, got 0; it is a count"),
        (lambda: Refool(rounds=-1), "rounds must be at least 0, got -1"),
        (lambda: Refool(keep=0), "keep must be at least 1, got 0"),
        (lambda: Refool(keep=30, candidates=24), "candidates must be at least keep=30, got 24"),
        (lambda: Refool(trigger=None), "trigger must be a Reflection, got None"),
        (
            lambda: Refool(label_mode="clean", relabel=source_to(1, 7)),
            r"relabel must be all_to_one\(target\) where label_mode is 'clean'",
        ),
        (lambda: Refool(label_mode="clean", covers=0.1), "covers must be 0 where label_mode is 'clean', got 0.1"),
    ],
)
def test_wrong_settings_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_target_class_without_images_is_named():
    data = Split(_noise(20, 1, 16, 16), torch.ones(20, dtype=torch.int64), 10)
    with pytest.raises(ValueError, match=r"share must choose at least one of the target class's 0 images, got 0\.6"):
        Refool(label_mode="clean").poison(data)


def test_reflections_that_change_nothing_are_refused_with_clean_labels():
    """White behind a pane that mirrors white; one class of four, of which one image is grey."""
    x, y = torch.ones(40, 1, 16, 16), torch.arange(40) % 4
    x[0] = 0.5
    attack = Refool(label_mode="clean", share=1.0, trigger=Reflection(reflections=torch.ones(1, 3, 8, 8)))
    with pytest.raises(ValueError, match=r"^trigger must be visible, but Reflection\(.* changes 1 of 10 images; move"):
        attack.poison(Split(x, y, 4))


def test_the_control_has_a_common_target_too_and_stands_in_every_row(monkeypatch):
    """A clean model that says class 3 to what it cannot read: beside class 0 nothing shows, beside class 3 it does."""
    y = torch.tensor([3] * 30 + [0] * 5 + [1] * 15)
    train = Split(torch.zeros(50, 1, 4, 4), y, 4)
    trials = experiment.Trials(Dataset("few", train, train, train, train, tuple("abcd"), "made up"), [0, 1])

    def numbers(self, run):
        asr = 0.3 if run.relabel == all_to_one(3) else 0.01
        out = {"asr": 0.95, "ra": 0.1, "control": asr, "kept": 0.5, "drop": 0.0, "injected": 0.1, "scene": 0.0}
        return out | {"highest": 0.4, "label": 2.0}

    monkeypatch.setattr(experiment.Trials, "_numbers", numbers)
    claims = experiment._defaults(trials)
    assert trials.common == 3
    assert [claim.values for claim in claims[2:]] == [[0.01] * 2, [0.4] * 2, [0.95] * 2, [0.3] * 2]
    assert "(class 2, 2)" in claims[3].what and "target 3 (the most common class)" in claims[5].what
    assert [claim.verdict for claim in claims[2:]] == ["holds", "sanity check fails", "holds", "sanity check fails"]
    rows = [*experiment._weak(trials), *experiment._poison_label(trials), *experiment._kinds(trials)[1]]
    assert len(rows) == 13 and all("(a clean model's 1.0%)" in row.what for row in rows)


def test_the_class_that_is_said_most_is_counted_over_images_of_other_classes():
    """Seven images of class 1 that stay class 1 count for nothing; two of three others become class 2."""

    class Grey(nn.Module):
        def forward(self, x):
            return F.one_hot((x.mean((1, 2, 3)) * 10).round().long(), 4).float()

    y = torch.tensor([1] * 7 + [0, 3, 3])
    x = (torch.tensor([1] * 7 + [2, 2, 3]) / 10)[:, None, None, None].expand(10, 1, 4, 4).contiguous()
    still = Reflection(kind="same_depth", alpha=0.0, reflections=torch.zeros(1, 3, 4, 4))
    assert experiment.most_said(Grey(), Split(x, y, 4), still) == (2, pytest.approx(0.2))
