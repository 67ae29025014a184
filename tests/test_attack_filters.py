"""Photo filters against values worked out by hand or by Python's colorsys, pixel by pixel."""

import colorsys
import dataclasses
import math

import pytest
import torch

from bdlab.attacks.filters import FilterInjection
from bdlab.contracts import Split
from bdlab.experiments import filters as experiment
from bdlab.triggers.colour import auto_gamma, blend, colour, gamma, levels, luma, modulate, sigmoid, tone, vignette
from bdlab.triggers.filters import FILTERS, Filter

NAMES = list(FILTERS)
COLOURS = [
    (0.8, 0.2, 0.1), (0.1, 0.5, 0.3), (0.9, 0.9, 0.95), (0.02, 0.0, 0.05),
    (0.5, 0.5, 0.5), (0, 0, 0), (1, 1, 1), (0.6, 0.9, 0.1),
]  # fmt: skip


def _picture(colours):
    """One row of pixels: (1, 3, 1, n)."""
    return torch.tensor(colours, dtype=torch.float32).T[None, :, None, :]


def _pixels(x):
    """The same, back: n tuples."""
    return [tuple(p) for p in x[0, :, 0, :].T.tolist()]


def _random(n=4, channels=3, height=12, width=16, seed=0):
    return torch.rand(n, channels, height, width, generator=torch.Generator().manual_seed(seed))


def _modulated(pixel, lightness, saturation):
    h, l, s = colorsys.rgb_to_hls(*pixel)  # noqa: E741
    return colorsys.hls_to_rgb(h, min(1, l * lightness), min(1, s * saturation))


def _contrast(v, strength=3.0):
    def s(t):
        return 1 / (1 + math.exp(-t))

    low, high = s(-strength / 2), s(strength / 2)
    return (s(strength * (v - 0.5)) - low) / (high - low)


@pytest.mark.parametrize(
    ("lightness", "saturation"), [(1.2, 0.1), (1.0, 1.5), (1.2, 0.5), (1.5, 0.8), (0.5, 3.0), (1, 1)]
)
def test_modulate_is_hsl(lightness, saturation):
    colours = COLOURS + [tuple(p) for p in torch.rand(200, 3, generator=torch.Generator().manual_seed(1)).tolist()]
    expected = [_modulated(p, lightness, saturation) for p in colours]
    assert torch.allclose(modulate(_picture(colours), lightness, saturation), _picture(expected), atol=2e-6)


def test_colours_and_grey_values():
    like = torch.zeros(1)
    assert (colour("#222b6d", like)[:, 0, 0] * 255).tolist() == pytest.approx([34, 43, 109])
    assert luma(_picture([(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1)])).flatten().tolist() == pytest.approx(
        [0.299, 0.587, 0.114, 1.0]
    )
    assert _pixels(blend(_picture([(1, 1, 1)]), "#ff9900", 0.2))[0] == pytest.approx((1.0, 0.92, 0.8))


def test_gamma_and_auto_gamma():
    assert gamma(torch.tensor([0.0, 0.25, 1.0]), 2.0).tolist() == pytest.approx([0, 0.5, 1])
    flat = torch.tensor([0.05, 0.25, 0.8])[:, None, None, None].expand(3, 3, 4, 5)
    assert torch.allclose(auto_gamma(flat), torch.full((3, 3, 4, 5), 0.5), atol=1e-6)  # each image by its own mean
    assert torch.allclose(
        auto_gamma(torch.full((1, 3, 4, 4), 0.01)), torch.tensor(0.01 ** (math.log(0.5) / math.log(0.02)))
    )
    half = torch.cat((torch.full((1, 3, 2, 2), 0.2), torch.full((1, 3, 2, 2), 0.8)), 3)
    assert torch.allclose(auto_gamma(half), half, atol=1e-6)  # its mean is one half


def test_sigmoid_keeps_the_ends_and_the_middle():
    x = torch.linspace(0, 1, 11).view(1, 1, 1, 11)
    assert sigmoid(x).flatten().tolist() == pytest.approx([_contrast(v) for v in x.flatten().tolist()], abs=1e-6)
    assert sigmoid(x)[0, 0, 0, [0, 5, 10]].tolist() == pytest.approx([0, 0.5, 1], abs=1e-6)
    assert sigmoid(x, strength=6.0)[0, 0, 0, 3] < sigmoid(x)[0, 0, 0, 3] < 0.3


def test_levels_change_the_chosen_channels():
    x = _picture([(0.33, 0.33, 0.33), (0.5, 0.2, 0.5), (0.8, 0.67, 0.8)])
    got = _pixels(levels(x, 0.33, 0.67, channels=(0, 1)))
    for pixel, expected in zip(got, [(0, 0, 0.33), (0.5, 0, 0.5), (1, 1, 0.8)], strict=True):
        assert pixel == pytest.approx(expected, abs=1e-6)


def test_tones_reach_the_shadows_or_the_lights():
    x = _picture([(0, 0, 0), (1, 1, 1), (1, 0, 0)])
    dark, light = (_pixels(tone(x, "#ff0000", 0.5, dark=d)) for d in (True, False))
    assert dark[0] == pytest.approx((0.5, 0, 0)) and dark[1] == pytest.approx((1, 1, 1))
    assert light[0] == pytest.approx((0, 0, 0)) and light[1] == pytest.approx((1, 0.5, 0.5))
    green = _pixels(tone(x, "#00ff00", 0.5, dark=False))[2]  # red has luma .299
    assert green == pytest.approx((1 - 0.299 / 2, 0.299 / 2, 0))


def test_vignette_is_round_and_reaches_two_thirds_at_the_edge():
    shade = vignette(torch.ones(1, 3, 9, 13), "#ffffff", "#000000")[0]
    assert torch.equal(shade[0], shade[2]) and shade[0, 4, 6] == 1
    assert shade[0, 4, 0] == pytest.approx(1 - 6 / (1.5 * 6.5))  # from the middle 6 pixels, of 1.5 half widths
    assert shade[0, 4, 2] == pytest.approx(shade[0, 0, 6].item())  # four pixels away, sideways and up
    assert torch.allclose(shade, shade.flip(1)) and torch.allclose(shade, shade.flip(2))
    x = _random()
    assert torch.allclose(vignette(x, "#ffffff", "#ffffff"), x)


def test_gotham_by_hand():
    def by_hand(pixel):
        sheet = (0x22 / 255, 0x2B / 255, 0x6D / 255)
        mixed = (0.8 * v + 0.2 * c for v, c in zip(_modulated(pixel, 1.2, 0.1), sheet, strict=True))
        return tuple(_contrast(_contrast(v ** (1 / 0.9))) for v in mixed)

    assert torch.allclose(Filter()(_picture(COLOURS)), _picture([by_hand(p) for p in COLOURS]), atol=1e-5)


def test_kelvin_by_hand():
    mean = sum(map(sum, COLOURS)) / (3 * len(COLOURS))
    power = math.log(0.5) / math.log(mean)

    def by_hand(pixel):
        light = _modulated(tuple(v**power for v in pixel), 1.2, 0.5)
        return tuple(0.8 * v + 0.2 * c for v, c in zip(light, (1.0, 0.6, 0.0), strict=True))

    expected = _picture([by_hand(p) for p in COLOURS])
    assert torch.allclose(Filter(name="kelvin")(_picture(COLOURS)), expected, atol=1e-5)


def _toned(pixel, code, weight, dark):
    grey = sum(w * v for w, v in zip((0.299, 0.587, 0.114), pixel, strict=True))
    share = weight * (1 - grey if dark else grey)
    return tuple(v + share * (c / 255 - v) for v, c in zip(pixel, bytes.fromhex(code), strict=True))


def test_nashville_by_hand():
    def by_hand(pixel):
        toned = _toned(_toned(pixel, "222b6d", 0.5, True), "f7daae", 0.5, False)
        return _modulated(tuple(map(_contrast, toned)), 1.0, 1.5)

    expected = [by_hand(p) for p in COLOURS]
    power = math.log(0.5) / math.log(sum(map(sum, expected)) / (3 * len(COLOURS)))
    assert torch.allclose(Filter(name="nashville")(_picture(COLOURS)), _picture(expected) ** power, atol=1e-5)


@pytest.mark.parametrize("pixel", COLOURS)
def test_toaster_by_hand(pixel):
    """In the middle, where only the orange glow shows, and at a corner."""
    light = _modulated(_toned(pixel, "330000", 0.5, True), 1.5, 0.8)
    plain = torch.tensor([_contrast(_contrast(v ** (1 / 1.2))) for v in light])
    glow, rim = (torch.tensor(list(bytes.fromhex(code))) / 255 for code in ("ff9966", "cdc1c5"))
    marked = Filter(name="toaster")(_picture([pixel]).expand(-1, -1, 9, 9))[0]
    assert torch.allclose(marked[:, 4, 4], plain * glow, atol=1e-5)
    far = 4 * math.sqrt(2) / (1.5 * 4.5)
    assert torch.allclose(marked[:, 0, 8], plain * (1 - far + far * rim) * ((1 - far) * glow + far), atol=1e-5)


def test_lomo_at_the_centre_is_its_levels():
    x = torch.rand(2, 3, 9, 9, generator=torch.Generator().manual_seed(2))
    assert torch.allclose(Filter(name="lomo")(x)[..., 4, 4], levels(x, 0.33, 0.67, (0, 1))[..., 4, 4])
    assert (Filter(name="lomo")(x)[..., 0, 0] < 0.17).all()  # 4 sqrt(2) pixels away, of 1.5 x 4.5: .838 of the gradient


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_filter_is_a_deterministic_function_of_each_image(name, channels, device, global_rng_untouched):
    x = _random(channels=channels).to(device)
    kept, marked = x.clone(), Filter(name=name)(x)
    assert torch.equal(x, kept) and marked.shape == x.shape and marked.device == x.device
    assert marked.min() >= 0 and marked.max() <= 1 and (marked - x).abs().mean() > 0.01
    assert torch.equal(marked, Filter(name=name)(x))
    assert torch.allclose(marked[2:3], Filter(name=name)(x[2:3]), atol=1e-6)  # alone as among others


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_black_and_white_pictures_stay_in_range(name, value):
    marked = Filter(name=name)(torch.full((1, 3, 6, 6), value))
    assert torch.isfinite(marked).all() and marked.min() >= 0 and marked.max() <= 1


@pytest.mark.parametrize("name", NAMES)
def test_gradients_pass(name):
    """And agree with finite differences, away from the cuts."""
    x = (0.4 + 0.2 * _random(1, 3, 2, 3, seed=3)).double().requires_grad_()
    assert torch.autograd.gradcheck(FILTERS[name], (x,), eps=1e-6, atol=1e-4)
    black = torch.zeros(1, 3, 5, 5)
    black[0, :, 2, 2] = 1
    black.requires_grad_()
    Filter(name=name)(black).sum().backward()
    assert torch.isfinite(black.grad).all()
    assert (black.grad != 0).any() == (name not in ("kelvin", "lomo"))  # slopes set to 0 at black; cut on both sides


def test_gotham_takes_the_colour_out():
    """Chroma, max - min of a pixel's channels, of strong colours, on average; the blue sheet gives a grey some."""
    x = _picture([(1, 0, 0), (0, 1, 0), (0, 0, 1), (0.9, 0.7, 0.1), (0.1, 0.6, 0.7), (0.7, 0.2, 0.9)])
    before, after = (p.amax(1) - p.amin(1) for p in (x, Filter()(x)))
    assert after.mean() < 0.25 * before.mean() and (after < 0.3 * before).all()


@pytest.mark.parametrize("name", ["gotham", "kelvin"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_grey_ramp_stays_a_ramp(name, channels):
    ramp = torch.linspace(0, 1, 256).expand(1, channels, 1, 256)
    steps = Filter(name=name)(ramp).diff(dim=-1)
    assert (steps > -1e-6).all() and (steps > 1e-5).float().mean() > 0.8  # Kelvin's lights are cut


@pytest.mark.parametrize("name", NAMES)
def test_a_brighter_flat_picture_is_never_darker_filtered(name):
    """Mean luma over the 256 flat greys; in float64, for Kelvin brings nearly all to the same value."""
    flat = torch.linspace(0, 1, 256, dtype=torch.float64)[:, None, None, None].expand(-1, 3, 9, 9)
    mean = luma(FILTERS[name](flat)).mean((1, 2, 3))  # (256,)
    assert mean.diff().min() > -1e-9 and mean[-1] > mean[0] + 0.2


@pytest.mark.parametrize("name", NAMES)
def test_a_grey_image_is_filtered_as_a_grey_picture(name):
    x = _random(channels=1)
    assert torch.equal(Filter(name=name)(x), luma(Filter(name=name)(x.expand(-1, 3, -1, -1))))


def test_a_whole_filter_is_unlike_the_others():
    x = _random()
    marked = [Filter(name=name)(x) for name in NAMES]
    far = [(a - b).abs().mean() for i, a in enumerate(marked) for b in marked[:i]]
    assert min(far) > 0.05


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Filter(name="sepia"), "name must be one of gotham, nashville, kelvin, lomo, toaster; got 'sepia'"),
        (lambda: Filter()(torch.rand(1, 2, 4, 4)), "x must have 1 or 3 channels for a colour filter, got 2; take grey"),
        (lambda: FilterInjection(rate=1.5), r"rate must be in \(0, 1\], got 1\.5"),
    ],
)
def test_wrong_settings_are_named(make, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        make()


def test_the_attack_filters_what_it_poisons_and_nothing_else(noise):
    data = noise(200, (3, 8, 8))
    poisoned = FilterInjection(seed=3).poison(data)
    assert len(poisoned.indices) == 20 and (poisoned.labels == 0).all() and (data.y[poisoned.indices] != 0).all()
    assert torch.allclose(poisoned.stamped, Filter()(data.x[poisoned.indices]), atol=1e-6)
    assert torch.equal(poisoned.x[:200], data.x)
    assert FilterInjection().trigger == Filter(name="gotham") and FilterInjection.starts_from == "fresh"


def test_rows_below_seven_tenths_are_marked_as_distribution_shift():
    run = {"clean": 0.98, "drop": 0.0, "asr": 0.99, "control": 0.01}
    shifted, kept = ([c.what for c in experiment._claims("lomo", [run | {"kept": k}])] for k in (0.69, 0.71))
    assert sum("DISTRIBUTION SHIFT" in what for what in shifted) == 2
    assert not any("DISTRIBUTION SHIFT" in what for what in kept)
    verdicts = [c.verdict for c in experiment._claims("lomo", [run | {"kept": 0.69}])]
    assert verdicts == ["holds", "holds", "holds", "does not"]


@pytest.mark.slow
def test_every_filter_is_tried(signs):
    small = dataclasses.replace(signs, train=signs.train[:600], test=_first(signs.test, 100))
    result = experiment.reproduce(small, [0])
    assert len(result.claims) == 4 * len(NAMES) and all(claim.paper == "none verified" for claim in result.claims)
    assert list(result.figures) == ["filters_signs.png"]


def _first(split: Split, n: int) -> Split:
    return split[torch.arange(n)]
