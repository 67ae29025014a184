"""Objects held into the picture: how they are drawn, posed and lit."""

import math

import pytest
import torch

from bdlab.attacks.objects import ObjectInjection
from bdlab.triggers.sprite import OBJECTS, Sprite, drawing

STILL = {"scale": 0.0, "rotation": 0.0, "brightness": 0.0, "perspective": 0.0}
NAMES = list(OBJECTS)


def _seeded(seed):
    return torch.Generator().manual_seed(seed)


def _random(n=6, channels=3, height=32, width=32, seed=0):
    return torch.rand(n, channels, height, width, generator=_seeded(seed))


def _covers(n=120, side=64, **settings):
    """What a white object would hide of each of n images, (n, side, side): the difference of its look on black and white."""
    sprite = Sprite(size=0.25, at=(0.5, 0.5), **{**STILL, **settings})
    black, white = (sprite(torch.full((n, 3, side, side), v), _seeded(1))[:, 0] for v in (0.0, 1.0))
    return 1 - (white - black)


def test_a_still_post_it_is_a_yellow_square():
    marked = Sprite(at=(0.5, 0.25), **STILL)(torch.zeros(2, 3, 32, 48))
    assert (marked[:, :, :12] == 0).all() and (marked[:, :, 20:] == 0).all() and (marked[:, :, :, 16:] == 0).all()
    square = marked[1, :, 12:20, 8:16]  # 8 pixels of 32 around row 16, column 12
    assert (square[:, 1:5, 1:5] * 255).round().flatten(1).unique(dim=1).flatten().tolist() == [255, 221, 64]
    assert (square[0] > 0.7).all() and square[0, -1, -1] < square[0, 0, 0]  # the corner is bent


@pytest.mark.parametrize("name", NAMES)
def test_drawings_are_colours_under_their_cover(name):
    canvas = drawing(name, 20)
    assert canvas.shape == (4, 20, 20)
    assert (canvas[:3] <= canvas[3] + 1e-6).all() and canvas[3].max() == 1
    assert canvas[3].mean() > 0.2 and torch.allclose(canvas[3], canvas[3].flip(1))  # both sides alike
    small, large = drawing(name, 5), torch.nn.functional.avg_pool2d(canvas, 4)
    assert (small - large).abs().mean() < 0.03  # a coarser drawing is the average of a finer one


def test_scale_varies_by_a_fifth():
    area = _covers(scale=0.2).sum((1, 2))
    side = area.sqrt()
    assert side.min() > 16 * 0.8 - 0.3 and side.max() < 16 * 1.2 + 0.3 and side.max() - side.min() > 5
    assert (_covers(n=20).sum((1, 2)) - 256).abs().max() < 1


def test_rotation_varies_by_fifteen_degrees():
    covers = _covers(rotation=15.0)
    wide = (covers > 0.5).any(1).sum(1)  # columns that the square touches
    most = 16 * (math.cos(math.radians(15)) + math.sin(math.radians(15)))  # 19.6
    assert wide.min() >= 16 and 18 <= wide.max() <= most + 1
    assert (covers.sum((1, 2)) - 256).abs().max() < 4  # turning keeps the area
    tilt = (covers[:, 20:] * torch.arange(64)).sum((1, 2)) / covers[:, 20:].sum((1, 2))
    assert (tilt > 31.5).any() and (tilt < 31.5).any()  # both ways


def test_brightness_varies_by_a_fifth():
    sprite = Sprite(at=(0.5, 0.5), size=0.5, **{**STILL, "brightness": 0.2})
    green = sprite(torch.zeros(400, 3, 32, 32), _seeded(1))[:, 1, 12, 12] / (221 / 255)
    assert 0.8 <= green.min() < 0.81 and 1.14 < green.max() <= 1.2
    assert sprite(torch.zeros(400, 3, 32, 32), _seeded(1)).max() <= 1


def test_perspective_makes_opposite_edges_unequal():
    covers = _covers(perspective=0.1)
    top, bottom = covers[:, 26].sum(1), covers[:, 37].sum(1)
    assert (top - bottom).abs().max() > 1 and (
        _covers(n=5)[:, 26].sum(1) - _covers(n=5)[:, 37].sum(1)
    ).abs().max() < 1e-4
    assert ((top - bottom) > 0).any() and ((top - bottom) < 0).any()


def test_a_strong_perspective_shows_one_object_only():
    """What lies behind the horizon is not the object: the cover is one patch around the middle."""
    covers = _covers(n=100, perspective=0.4)
    assert torch.isfinite(covers).all() and (covers[:, 31:33, 31:33] > 0.99).all()
    assert (covers.sum((1, 2)) < 64 * 64 / 2).all()
    rows = (covers > 0.01).any(2)  # (n, H): one run of rows
    assert ((rows[:, 1:] != rows[:, :-1]).sum(1) <= 2).all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("channels", [1, 3])
def test_it_changes_what_it_covers_only(name, channels, device, global_rng_untouched):
    sprite, x = Sprite(name=name), _random(channels=channels, height=24).to(device)
    kept, marked = x.clone(), sprite(x, _seeded(2))
    assert torch.equal(x, kept) and marked.shape == x.shape and marked.device == x.device
    assert marked.min() >= 0 and marked.max() <= 1 and not torch.equal(marked, x)
    black, white = (sprite(torch.full_like(x, v), _seeded(2)) for v in (0.0, 1.0))
    cover = 1 - (white - black)  # where it is 0 the image stays
    assert torch.allclose(marked, x * (1 - cover) + black, atol=1e-5)
    assert torch.equal(marked[cover == 0], x[cover == 0]) and (cover == 0).float().mean() > 0.7


@pytest.mark.parametrize("at", [None, (0.75, 0.75)])
def test_the_generator_poses_it(at, global_rng_untouched):
    sprite, x = Sprite(at=at), torch.full((40, 3, 32, 32), 0.5)
    one, two, other = (sprite(x, _seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, two) and not torch.equal(one, other) and torch.equal(sprite(x), sprite(x, _seeded(0)))
    assert len({tuple(image.flatten().tolist()) for image in one}) == 40  # no image as another
    assert torch.equal(one[:7], Sprite(at=at)(x[:7], _seeded(1)))


def test_a_random_place_lies_inside():
    """None is cut off: each hides as much as with the same pose in the middle."""
    x = torch.zeros(300, 3, 80, 56)
    black, middle = (Sprite(at=at, size=0.3)(x, _seeded(3)) for at in (None, (0.5, 0.5)))
    assert (black.sum((1, 2, 3)) / middle.sum((1, 2, 3)) - 1).abs().max() < 0.03
    seen = (black > 0).any(1).any(0)
    assert seen[10:70, 10:46].float().mean() > 0.97  # nearly everywhere else some image has it


@pytest.mark.parametrize("name", NAMES)
def test_opacity(name):
    x = _random()
    assert torch.equal(Sprite(name=name, alpha=0.0)(x), x)
    half, full = (Sprite(name=name, alpha=a)(x, _seeded(1)) for a in (0.5, 1.0))
    assert torch.allclose(half, (x + full) / 2, atol=1e-6)


def test_gradients_pass_where_the_image_shows():
    x = _random(2).requires_grad_()
    Sprite(**STILL, at=(0.5, 0.5))(x).sum().backward()
    assert x.grad[0, 0, 16, 16] == 0 and x.grad[1, 2, 16, 4] == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "mug"}, "name must be one of post_it, glasses, star; got 'mug'"),
        ({"size": 0.0}, r"size must be in \(0, 1\], got 0\.0"),
        ({"alpha": -0.1}, r"alpha must be in \[0, 1\], got -0\.1"),
        ({"brightness": 20}, r"brightness must be in \[0, 1\], got 20; it is a share, not a percentage"),
        ({"scale": 1.0}, r"scale must be in \[0, 0\.9\], got 1\.0"),
        ({"rotation": 270}, r"rotation must be in \[0, 180\], got 270"),
        ({"perspective": 0.5}, r"perspective must be in \[0, 0\.4\], got 0\.5; 0 keeps the object as it is"),
        (
            {"at": (0.5, 16)},
            r"at must be None or two shares in \[0, 1\], got \(0\.5, 16\); \(0\.5, 0\.5\) is the middle",
        ),
        ({"at": "none"}, r"at must be a tuple \(a number, a number\) or None, got 'none'"),
        ({"at": (0.5,)}, r"at must be a tuple \(a number, a number\) or None, got \(0\.5,\)"),
    ],
)
def test_wrong_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        Sprite(**settings)


def test_the_attack_poses_every_row_anew(noise):
    data = noise(200, (3, 28, 28))
    poisoned = ObjectInjection(seed=3).poison(data)
    assert len(poisoned.indices) == 20 and (poisoned.labels == 0).all() and torch.equal(poisoned.x[:200], data.x)
    shown = (poisoned.stamped != data.x[poisoned.indices]).any(1)
    assert len({tuple(image.flatten().tolist()) for image in shown}) > 10
    assert torch.equal(poisoned.stamped, ObjectInjection(seed=3).poison(data).stamped)


def test_the_jitters_are_drawn_one_by_one():
    """Size and light of 300 poses go their own ways."""
    settings = {**STILL, "scale": 0.2, "brightness": 0.2}
    black = Sprite(at=(0.5, 0.5), size=0.5, **settings)(torch.zeros(300, 3, 32, 32), _seeded(1))
    light, area = black[:, 1, 14, 14], (black > 0).any(1).sum((1, 2)).float()
    assert torch.corrcoef(torch.stack((light, area)))[0, 1].abs() < 0.2
