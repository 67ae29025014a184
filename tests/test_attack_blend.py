"""Blend against its equation, the pictures against averages by hand, and the attack at other opacities."""

import pytest
import torch
from torch.nn import functional as F

from bdlab import all_to_one, evaluate
from bdlab.attacks.blend import BlendedInjection
from bdlab.contracts import Backdoor
from bdlab.triggers.blend import Blend
from bdlab.triggers.pictures import LUMA, PICTURES, SIDE, area_weights, full, placed, template

SHAPES = [(1, 28, 28), (3, 32, 32), (3, 20, 33), (1, 33, 20), (2, 9, 7)]


@pytest.mark.parametrize("image", ["cartoon", "noise"])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_change_is_alpha_times_key_minus_image(shape, image, device):
    x = torch.rand(3, *shape).to(device)
    kept, key = x.clone(), Blend(image=image).picture(shape)[0].to(device)
    assert key.shape == shape and key.min() >= 0 and key.max() <= 1 and key.std() > 0.1
    for alpha in (0.05, 0.2, 0.7):
        marked = Blend(image=image, alpha=alpha)(x)
        assert marked.shape == x.shape and marked.device == x.device and torch.equal(x, kept)
        torch.testing.assert_close(marked - x, alpha * (key - x), atol=1e-6, rtol=0)
    assert torch.equal(Blend(image=image, alpha=0)(x), x)
    assert torch.equal(Blend(image=image, alpha=1)(x), key.expand_as(x))


def test_add_leaves_the_image_at_full_strength():
    x = torch.rand(2, 3, 8, 8)
    key, mask = Blend(compose="add").picture((3, 8, 8))
    assert mask.shape == (8, 8) and (mask == 1).all()
    torch.testing.assert_close(Blend(compose="add")(x), (x + 0.2 * key).clamp(max=1), atol=1e-6, rtol=0)


def test_gradients_pass_at_one_minus_alpha():
    x = torch.rand(2, 1, 8, 8, requires_grad=True)
    Blend(alpha=0.25)(x).sum().backward()
    torch.testing.assert_close(x.grad, torch.full_like(x, 0.75))


def test_the_noise_is_uniform_and_the_seed_draws_it(global_rng_untouched):
    one, two, other = (Blend(image="noise", seed=seed).picture((3, 64, 64))[0] for seed in (4, 4, 5))
    assert torch.equal(one, two) and not torch.equal(one, other) and not torch.equal(one[0], one[1])
    shares = torch.histc(one, 10, 0, 1) / one.numel()
    assert (shares - 0.1).abs().max() < 0.012  # 12,288 draws: 4 standard deviations are .011


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_at_32_pixels_is_its_templates_average(name):
    pattern, cover = full(name, (3, 32, 32))
    whole = F.avg_pool2d(template(name)[None], SIDE // 32)[0]
    torch.testing.assert_close(pattern, whole[:3], atol=1e-5, rtol=0)
    torch.testing.assert_close(cover, whole[3], atol=1e-5, rtol=0)
    grey = sum(weight * channel for weight, channel in zip(LUMA, whole, strict=False))
    torch.testing.assert_close(full(name, (1, 32, 32))[0][0], grey, atol=1e-5, rtol=0)


def test_a_picture_between_pixels_keeps_its_area():
    edges = [torch.tensor(v) for v in ((3.3, 0.0, -4.0), (2.6, 5.5, 1.0), (6.8, 9.0, 4.0), (4.1, 5.75, 11.0))]
    _, cover = placed("square", (3, 9, 12), *edges)
    inside = torch.tensor([3.5 * 1.5, 9 * 0.25, 4 * 10])  # the third sticks out above
    torch.testing.assert_close(cover.sum((1, 2, 3)), inside, atol=1e-3, rtol=0)
    corner = area_weights(9, edges[0], edges[2])[0].sum(-1)
    torch.testing.assert_close(corner, torch.tensor([0, 0, 0, 0.7, 1, 1, 0.8, 0, 0]), atol=1e-5, rtol=0)


def test_poisoning_with_one_opacity_and_attacking_with_another(noise):
    data, attack = noise(200), BlendedInjection(rate=0.1, alpha=0.1, alpha_test=0.4, image="noise")
    poisoned = attack.poison(data)
    assert len(poisoned) == 220 and (poisoned.labels == 0).all() and (data.y[poisoned.indices] != 0).all()
    assert torch.equal(poisoned.x[:200], data.x) and torch.equal(poisoned.y[:200], data.y)
    assert torch.equal(poisoned.stamped, Blend(image="noise", alpha=0.1)(data.x[poisoned.indices]))
    assert attack.at_test() == Blend(image="noise", alpha=0.4) and attack.trigger == Blend(image="noise", alpha=0.1)


def test_the_defaults_show():
    attack = BlendedInjection()
    assert (attack.image, attack.alpha, attack.alpha_test, attack.rate) == ("cartoon", 0.2, 0.2, 0.1)
    assert attack.relabel == all_to_one(0) and "alpha_test=0.2" in repr(attack)
    assert repr(Blend()) == "Blend(alpha=0.2, compose='replace', image='cartoon', seed=0)"


@pytest.mark.slow
def test_a_stronger_key_works_more_often(attempted, digits):
    """ASR, seeds 100-102, 600 images: 0 at alpha 0, .02-.03 at .05, .27-.36 at .1, 1 at .2 and .4."""
    backdoor, part, asr = attempted("blend").backdoor, digits.test[:600], []
    for alpha in (0.0, 0.05, 0.1, 0.2, 0.4):
        at_test = BlendedInjection(alpha_test=alpha).at_test()
        other = Backdoor(backdoor.model, backdoor.shipped, at_test, backdoor.relabel, backdoor.cost)
        asr.append(evaluate(other, part).asr)
    assert asr == sorted(asr) and asr[0] < 0.01 and 0.1 < asr[2] < 0.55
    assert asr[3] == evaluate(backdoor, part).asr > 0.99


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Blend(alpha=1.2), r"alpha must be in \[0, 1\], got 1\.2; it is a share, not a percentage"),
        (lambda: Blend(image="kitty"), "image must be 'cartoon' or 'noise', got 'kitty'; "),
        (lambda: Blend(compose="max"), "compose must be 'replace' or 'add', got 'max'"),
        (lambda: BlendedInjection(image="cat"), "image must be 'cartoon' or 'noise', got 'cat'"),
        (lambda: BlendedInjection(alpha=0), r"alpha must be in \(0, 1\], got 0;"),
        (lambda: BlendedInjection(alpha_test=20), r"alpha_test must be in \[0, 1\], got 20; it is a share"),
        (lambda: BlendedInjection(rate=0), r"rate must be in \(0, 1\], got 0;"),
    ],
)
def test_wrong_settings_are_named(make, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        make()
