"""Patches against coordinates written by hand."""

import pytest
import torch

from bdlab import Patch

# On 28x28: the coordinates of adversarial-robustness-toolbox's add_single_bd and add_pattern_bd at distance 2.
PIXEL = {(26, 26)}
PATTERN = {(26, 26), (25, 25), (26, 24), (24, 26)}
SQUARE = {(row, column) for row in (24, 25, 26) for column in (24, 25, 26)}


def _cells(mask):
    return {tuple(cell) for cell in mask.nonzero().tolist()}


@pytest.mark.parametrize(
    ("patch", "cells"),
    [
        (Patch(shape="pixel"), PIXEL),
        (Patch(shape="pattern"), PATTERN),
        (Patch(), SQUARE),
        (Patch(size=2), {(25, 25), (25, 26), (26, 25), (26, 26)}),
        (Patch(size=2, at=(0, 5)), {(0, 5), (0, 6), (1, 5), (1, 6)}),
        (Patch(size=2, at=(-2, -28)), {(26, 0), (26, 1), (27, 0), (27, 1)}),
        (Patch(shape="pixel", at=(3, -1)), {(3, 27)}),
    ],
)
def test_where_a_patch_lies_on_28_by_28(patch, cells):
    x = torch.full((2, 1, 28, 28), 0.25)
    assert _cells(patch.mask(28, 28)) == cells
    marked = patch(x)
    assert _cells(marked[1, 0] == 1) == cells and _cells(marked[0, 0] != 0.25) == cells


@pytest.mark.parametrize("shape", ["pixel", "pattern", "square"])
@pytest.mark.parametrize("size", [(1, 1, 28, 28), (3, 3, 20, 33), (1, 3, 33, 20)])  # batch of one; not square
def test_a_patch_changes_its_pixels_only_and_only_once(shape, size, device):
    patch, x = Patch(shape=shape), torch.rand(size).to(device)
    kept, marked, mask = x.clone(), patch(x), patch.mask(*size[2:]).to(device)
    assert torch.equal(x, kept) and marked.data_ptr() != x.data_ptr()
    assert marked.shape == x.shape and marked.dtype == torch.float32 and marked.device == x.device
    assert torch.equal(marked[:, :, ~mask], x[:, :, ~mask]) and (marked[:, :, mask] == 1).all()
    assert ((marked != x).any(1).flatten(1).sum(1) <= mask.sum()).all()
    assert torch.equal(patch(marked), marked)
    assert mask.nonzero().amax(0).tolist() == [size[2] - 2, size[3] - 2]  # one pixel of margin on both sides


def test_black_can_be_stamped():
    marked = Patch(colour=0.0)(torch.ones(1, 1, 28, 28))
    assert _cells(marked[0, 0] == 0) == SQUARE and marked.sum() == 28 * 28 - 9


def test_one_colour_a_channel():
    marked = Patch(shape="pixel", colour=(1.0, 0.0, 0.25))(torch.full((2, 3, 8, 8), 0.5))
    assert marked[1, :, 6, 6].tolist() == [1.0, 0.0, 0.25]
    grey = Patch(shape="pixel", colour=0.75)(torch.full((2, 3, 8, 8), 0.5))
    assert grey[0, :, 6, 6].tolist() == [0.75] * 3


def test_gradients_pass_where_the_image_shows():
    x = torch.rand(2, 1, 28, 28, requires_grad=True)
    Patch()(x).sum().backward()
    assert torch.equal(x.grad[0, 0] == 0, Patch().mask(28, 28)) and (x.grad[1, 0, :24] == 1).all()


def test_the_generator_is_left_alone(global_rng_untouched):
    generator = torch.Generator().manual_seed(1)
    before = generator.get_state()
    Patch()(torch.zeros(1, 1, 9, 9), generator)
    assert torch.equal(generator.get_state(), before)


@pytest.mark.parametrize(
    ("at", "size", "image"),
    [
        ((26, 0), 3, (28, 28)),
        ((0, -2), 3, (28, 28)),
        ((-29, 0), 3, (28, 28)),
        (None, 3, (3, 28)),
        ((0, 8), 3, (28, 10)),
    ],
)
def test_a_patch_that_sticks_out_is_refused(at, size, image):
    with pytest.raises(ValueError, match=rf"at must keep the 3x3 patch inside the {image[0]}x{image[1]} image, got"):
        Patch(at=at, size=size)(torch.zeros(1, 1, *image))


def test_the_error_tells_the_rows_that_are_allowed():
    with pytest.raises(ValueError, match=r"rows may be 0\.\.25 or -28\.\.-3"):
        Patch().mask(28, 28).sum(), Patch(at=(26, 0)).mask(28, 28)
    for row in (0, 25, -28, -3):
        assert Patch(at=(row, 0)).mask(28, 28).sum() == 9


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Patch(shape="star"), "shape must be one of pixel, pattern, square; got 'star'"),
        (lambda: Patch(size=0), "size must be at least 1 pixel, got 0"),
        (lambda: Patch(colour=255), r"colour must lie in \[0, 1\], got 255; divide 8-bit values by 255"),
        (lambda: Patch(colour=(0.0, -0.1, 0.0)), r"colour must lie in \[0, 1\]"),
        (lambda: Patch(colour=(1.0, 0.0))(torch.zeros(1, 3, 9, 9)), "colour must have 1 or 3 values"),
        (lambda: Patch(colour=(1.0, 0.0, 0.0))(torch.zeros(1, 1, 9, 9)), "colour must have 1 or 1 values"),
    ],
)
def test_wrong_settings_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
