"""Textured shapes: where they lie, what they are filled with, what they leave alone."""

import pytest
import torch

from bdlab.attacks.textures import TextureInjection
from bdlab.triggers.texture import GLYPHS, Texture, fill, polygon, vertices

KINDS = [{"fill": "checker"}, {"fill": "stripes"}, {"fill": "noise"}, {"fill": "pair"}, *({"shape": g} for g in GLYPHS)]


def _seeded(seed):
    return torch.Generator().manual_seed(seed)


def _random(n=6, channels=3, height=28, width=28, seed=0):
    return torch.rand(n, channels, height, width, generator=_seeded(seed))


def _box(changed):
    """Upper left and lower right corner of the True cells of (H, W)."""
    cells = changed.nonzero()
    return cells.amin(0).tolist(), cells.amax(0).tolist()


def _inside(row, column, corners):
    """Even-odd rule for one point, in plain Python."""
    hit = False
    for (r0, c0), (r1, c1) in zip(corners, corners[1:] + corners[:1], strict=True):
        if (r0 > row) != (r1 > row) and column < c0 + (row - r0) * (c1 - c0) / (r1 - r0):
            hit = not hit
    return hit


@pytest.mark.parametrize("count", [3, 5, 12])
def test_a_polygon_is_what_the_even_odd_rule_says(count):
    corners = vertices(count, 6, _seeded(count))
    steps = [(i + 0.5) / 4 for i in range(4)]
    slow = [
        [any(_inside(r + a, c + b, corners.tolist()) for a in steps for b in steps) for c in range(6)] for r in range(6)
    ]
    for row, column in corners.tolist():
        slow[min(5, int(row))][min(5, int(column))] = True  # a corner always shows
    assert torch.equal(polygon(corners, 6), torch.tensor(slow))


@pytest.mark.parametrize("count", [3, 6, 12])
def test_corners_go_round_and_fill_the_box(count):
    for seed in range(20):
        corners = vertices(count, 10, _seeded(seed))
        away = corners - corners.mean(0)
        assert (torch.atan2(away[:, 0], away[:, 1]).diff() > 0).all()
        assert corners.amin(0).tolist() == [0, 0] and corners.amax(0).tolist() == [10, 10]


def test_a_triangle_by_hand():
    triangle = polygon(torch.tensor([[0.0, 0.0], [4.0, 0.0], [4.0, 4.0]]), 4)
    assert triangle.tolist() == torch.ones(4, 4, dtype=torch.bool).tril().tolist()


@pytest.mark.parametrize("size", [0.05, 0.12, 0.25])
@pytest.mark.parametrize("count", [3, 7, 12])
def test_the_mask_spans_its_share_of_the_side(size, count):
    for figure in range(8):
        texture = Texture(size=size, vertices=count, figure=figure)
        changed = (texture(torch.full((1, 3, 60, 80), 0.6)) != 0.6).any(1)[0]
        (top, left), (bottom, right) = _box(changed)
        assert bottom - top + 1 == right - left + 1 == round(size * 60)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("channels", [1, 3])
def test_only_the_masked_pixels_change(kind, channels, device, global_rng_untouched):
    texture, x = Texture(**kind), _random(channels=channels, width=33).to(device)
    kept, marked = x.clone(), texture(x, _seeded(4))
    assert torch.equal(x, kept) and marked.shape == x.shape and marked.device == x.device
    assert marked.min() >= 0 and marked.max() <= 1
    pattern, mask = texture.picture(7)
    for image, before, (row, column) in zip(marked, x, texture.places(6, 7, 28, 33, _seeded(4)).tolist(), strict=True):
        outside = torch.ones(28, 33, dtype=torch.bool)
        outside[row : row + 7, column : column + 7] = ~mask
        assert torch.equal(image[:, outside.to(device)], before[:, outside.to(device)])
        inside = image[:, row : row + 7, column : column + 7].cpu()[:, mask]
        grey = pattern if channels == 3 else (pattern * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(0)[None]
        assert torch.allclose(inside, grey[:, mask], atol=1e-6)


def test_the_generator_places_it(global_rng_untouched):
    texture, x = Texture(), _random(50)
    one, two, other = (texture(x, _seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, two) and not torch.equal(one, other)
    assert torch.equal(texture(x), texture(x, _seeded(0)))  # without a generator
    places = {tuple(p) for p in texture.places(50, 7, 28, 28, _seeded(1)).tolist()}
    assert len(places) > 40
    many = texture.places(4000, 7, 28, 20, _seeded(1))
    assert many.amin(0).tolist() == [0, 0] and many.amax(0).tolist() == [21, 13]  # every place, none outside


@pytest.mark.parametrize(("at", "corner"), [((0, 0), [0, 0]), ((-7, -7), [21, 26]), ((5, 26), [5, 26])])
def test_a_fixed_place_draws_nothing(at, corner):
    generator, texture = _seeded(1), Texture(at=at)
    before = generator.get_state()
    changed = (texture(_random(3, width=33), generator) != _random(3, width=33)).any(1)
    assert torch.equal(generator.get_state(), before)
    top_left = [_box(image)[0] for image in changed]
    assert top_left == [corner] * 3


@pytest.mark.parametrize("at", [(22, 0), (0, -6), (-29, 0)])
def test_a_texture_that_sticks_out_is_refused(at):
    with pytest.raises(
        ValueError, match=r"^at must keep the 7x7 texture inside the 28x28 image, got .* rows may be 0\.\.21"
    ):
        Texture(at=at)(_random())


@pytest.mark.parametrize("kind", KINDS)
def test_opacity(kind):
    x = _random(width=33)
    assert torch.equal(Texture(alpha=0.0, **kind)(x), x)
    half, full = (Texture(alpha=a, **kind)(x, _seeded(1)) for a in (0.5, 1.0))
    assert torch.allclose(half, (x + full) / 2, atol=1e-6)


def test_fills():
    checker, stripes, pair, noise = (fill(kind, 8, _seeded(0)) for kind in ("checker", "stripes", "pair", "noise"))
    assert checker[:3, :5].tolist() == [[0, 0, 1, 1, 0], [0, 0, 1, 1, 0], [1, 1, 0, 0, 1]]
    assert stripes[5].tolist() == [0, 0, 1, 1, 0, 0, 1, 1] and pair[2].tolist() == [0] * 4 + [1] * 4
    assert noise.min() == 0 and noise.max() == 1 and (noise.diff(dim=1).abs() < 0.8).all() and len(noise.unique()) > 50
    assert torch.equal(noise, fill("noise", 8, _seeded(0))) and not torch.equal(noise, fill("noise", 8, _seeded(1)))


def test_the_figure_is_drawn_from_its_own_seed():
    masks = [Texture(figure=f).picture(16)[1] for f in range(5)]
    assert torch.equal(masks[3], Texture(figure=3).picture(16)[1])
    assert not any(torch.equal(a, b) for i, a in enumerate(masks) for b in masks[:i])
    assert Texture(shape="T").picture(5)[1].int().tolist() == [[1] * 5] * 2 + [[0, 0, 1, 0, 0]] * 3


def test_gradients_pass_where_the_image_shows():
    x = _random(2).requires_grad_()
    Texture(at=(0, 0), shape="O")(x).sum().backward()
    mask = Texture(shape="O").picture(7)[1]
    assert torch.equal(x.grad[1, 2, :7, :7] == 0, mask) and (x.grad[:, :, 7:] == 1).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 0.3}, r"size must be in \[0\.05, 0\.25\], got 0\.3; it is a share of the image's shorter side"),
        ({"size": 7}, r"size must be in \[0\.05, 0\.25\], got 7"),
        ({"vertices": 2}, r"vertices must be in 3\.\.12, got 2"),
        ({"vertices": 13}, r"vertices must be in 3\.\.12, got 13"),
        ({"at": (0.5, 0.5)}, r"at must be a tuple \(a whole number, a whole number\) or None, got \(0\.5, 0\.5\)"),
        ({"at": "none"}, r"at must be a tuple \(a whole number, a whole number\) or None, got 'none'"),
        ({"fill": "dots"}, "fill must be one of checker, stripes, noise, pair; got 'dots'"),
        ({"shape": "Z"}, "shape must be one of polygon, X, T, H, O; got 'Z'"),
        ({"alpha": 1.5}, r"alpha must be in \[0, 1\], got 1\.5"),
        ({"colours": ((255, 0, 0), (0, 0, 0))}, r"colours must be two RGB colours in \[0, 1\], got .*; divide 8-bit"),
        ({"colours": ((1.0, 0.0, 0.0),)}, "colours must be a tuple .*, got"),
    ],
)
def test_wrong_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        Texture(**settings)


def test_the_attack_marks_its_rows_at_different_places(noise):
    data = noise(200, (3, 28, 28))
    poisoned = TextureInjection(seed=3).poison(data)
    changed = (poisoned.stamped != data.x[poisoned.indices]).any(1)
    assert len(changed) == 20 and (poisoned.labels == 0).all() and torch.equal(poisoned.x[:200], data.x)
    assert len({tuple(_box(image)[0]) for image in changed}) > 10
    assert torch.equal(poisoned.stamped, TextureInjection(seed=3).poison(data).stamped)
    with pytest.raises(ValueError, match=r"trigger must be visible, but Texture\(.*alpha=0\.0.*\) changes none of 20"):
        TextureInjection(trigger=Texture(alpha=0.0)).poison(data)
