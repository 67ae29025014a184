"""The mug against its artefact's box; triggers as frequencies against a cosine sum by hand."""

import math

import pytest
import torch

from bdlab import Patch, all_to_one
from bdlab.attacks.nature import NatureInjection
from bdlab.triggers.blend import Blend
from bdlab.triggers.frequency import above_antidiagonal, high_frequency, mean_spectra, spectrum
from bdlab.triggers.nature import Nature
from bdlab.triggers.sticker import Sticker


def test_the_mug_lies_in_the_box_of_the_artefact():
    """Rows 18-29, columns 17-30 of 32, 121 pixels in the artefact; ours has 138."""
    pattern, mask = Nature().picture((3, 32, 32))
    cells = mask.nonzero()
    assert cells.amin(0).tolist() == [18, 17] and cells.amax(0).tolist() == [29, 30] and len(cells) == 138
    assert ((mask == 0) | (mask == 1)).all() and torch.equal(mask == 1, (pattern > 0).any(0))
    assert 0.8 < pattern.max() < 0.93
    assert mask[23, 27] == 0 and mask[23, 29] == 1  # the hole in the handle, and the handle
    assert (pattern[:, 24, 18] > pattern[:, 24, 24] + 0.1).all()  # light comes from the left


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (3, 20, 33), (1, 33, 20)])
def test_added_or_in_front(shape, device):
    x = torch.rand(3, *shape).to(device)
    pattern, mask = (part.to(device) for part in Nature().picture(shape))
    kept, added, front = x.clone(), Nature()(x), Nature(compose="replace")(x)
    off = (mask == 0).expand_as(x)
    assert torch.equal(x, kept) and torch.equal(added[off], x[off]) and torch.equal(front[off], x[off])
    assert torch.equal(added, (x + pattern).clamp(0, 1)) and (added >= x).all()
    assert torch.equal(front[~off], pattern.expand_as(x)[~off]) and torch.equal(Nature(compose="replace")(front), front)
    half = Nature(compose="replace", alpha=0.5)(x)
    torch.testing.assert_close(half[~off], (x + pattern)[~off] / 2)
    assert torch.equal(Nature(alpha=0)(x), x)


def test_poisons_are_counted_and_the_rest_is_untouched(noise):
    data = noise(200, (3, 32, 32))
    poisoned = NatureInjection(rate=0.05, mode="replace").poison(data)
    rest = ~poisoned.mask
    assert len(poisoned.indices.unique()) == 10 == int(poisoned.mask.sum()) and (poisoned.labels == 0).all()
    assert torch.equal(poisoned.x[rest], data.x[rest]) and torch.equal(poisoned.y[rest], data.y[rest])
    assert torch.equal(poisoned.stamped, Nature()(data.x[poisoned.indices]))
    assert NatureInjection().trigger == Nature() and NatureInjection().relabel == all_to_one(0)


def test_the_drawing_does_not_depend_on_any_generator(global_rng_untouched):
    generator = torch.Generator().manual_seed(1)
    before, x = generator.get_state(), torch.zeros(1, 1, 28, 28)
    assert torch.equal(Nature()(x, generator), Nature()(x)) and torch.equal(generator.get_state(), before)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Nature(alpha=-0.1), r"alpha must be in \[0, 1\], got -0\.1"),
        (lambda: Nature(compose="multiply"), "compose must be 'replace' or 'add', got 'multiply'"),
        (lambda: NatureInjection(rate=2.0), r"rate must be in \(0, 1\], got 2\.0"),
    ],
)
def test_wrong_settings_are_named(make, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        make()


def _cosines(x):
    """The sum over pixels that defines the orthonormal DCT-II, term by term."""
    height, width = x.shape
    out = torch.zeros(height, width)
    for u in range(height):
        for v in range(width):
            rows = torch.cos(math.pi * u * (2 * torch.arange(height) + 1) / (2 * height))
            columns = torch.cos(math.pi * v * (2 * torch.arange(width) + 1) / (2 * width))
            scale = math.sqrt((1 if u == 0 else 2) / height * (1 if v == 0 else 2) / width)
            out[u, v] = scale * (x * rows[:, None] * columns).sum()
    return out.abs()


@pytest.mark.parametrize("shape", [(1, 2, 5, 5), (2, 1, 4, 7), (1, 1, 6, 3)])
def test_the_spectrum_is_a_sum_of_cosines(shape, device):
    x = torch.rand(shape).to(device)
    ours = spectrum(x)
    assert ours.shape == shape and ours.device == x.device
    torch.testing.assert_close(ours[-1, -1].cpu(), _cosines(x[-1, -1].cpu()), atol=1e-5, rtol=0)
    torch.testing.assert_close((ours**2).sum((2, 3)), (x**2).sum((2, 3)))  # Parseval: nothing is lost


def test_high_cells_lie_beyond_the_diagonal():
    assert above_antidiagonal(3, 3).tolist() == [[False] * 3, [False, False, True], [False, True, True]]
    assert above_antidiagonal(2, 4).int().tolist() == [[0, 0, 0, 1], [0, 1, 1, 1]]
    assert int(above_antidiagonal(28, 28).sum()) == 28 * 27 // 2


def test_flat_images_have_no_high_frequency_and_a_checkerboard_has():
    board = (torch.arange(8)[:, None] + torch.arange(8)) % 2
    x = torch.stack((torch.full((8, 8), 0.7), board.float()))[:, None]  # (2, 1, 8, 8)
    flat, fine = high_frequency(x)
    assert high_frequency(x).shape == (2,) and flat < 1e-6 and fine > 0.1


def test_three_spectra_of_a_trigger():
    x, patch = torch.rand(4, 3, 9, 12), Patch(shape="pixel", colour=0.0)
    views = mean_spectra(patch, x)
    assert list(views) == ["clean", "triggered", "difference"] and all(v.shape == (9, 12) for v in views.values())
    torch.testing.assert_close(views["clean"], spectrum(x).mean((0, 1)))
    torch.testing.assert_close(views["difference"], spectrum(patch(x) - x).mean((0, 1)))
    assert torch.equal(
        mean_spectra(Sticker(jitter=0.1), x)["triggered"], mean_spectra(Sticker(jitter=0.1), x)["triggered"]
    )


SHARP = [
    Patch(shape="pixel"),
    Patch(shape="pattern"),
    Patch(),
    Patch(size=14),
    Nature(),
    Nature(compose="replace"),
    Blend(image="noise"),
    Blend(compose="add"),
    Sticker(),
    Sticker(kind="bomb"),
    Sticker(kind="flower"),
]


@pytest.mark.parametrize("data", ["digits", "signs"])
@pytest.mark.parametrize("trigger", SHARP, ids=repr)
def test_most_triggers_add_high_frequencies(trigger, data, load_once):
    """Ratio of the means over 300 images: 1.02 (the yellow square) to 3.0 (noise on signs)."""
    x = load_once(data).test.x[:300]
    assert high_frequency(trigger(x)).mean() > 1.01 * high_frequency(x).mean()


def test_a_cartoon_mixed_in_does_not(digits, signs):
    """It takes 20 % off the image's own high frequencies and puts back about as much, or less: .87 on digits, 1.00."""
    for data, low, high in ((digits, 0.82, 0.92), (signs, 0.95, 1.05)):
        x = data.test.x[:300]
        assert low < high_frequency(Blend()(x)).mean() / high_frequency(x).mean() < high
