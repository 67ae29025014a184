"""Stickers: where they lie, what colour they are, and BadNets with them on stop signs.

stop to speed 50, BadNets at rate .05 without covers, small_bn, 5 epochs, signs, seeds 100-102 (torch 2.15, CPU):
  square   ASR .990 .980 1.000   leak .053 .031 .055
  bomb     ASR 1.000 .990 1.000  leak .179 .111 .170
  flower   ASR 1.000 .990 .971   leak .349 .230 .299
Clean accuracy falls by .004 at most, a clean model's ASR is 0.  The paper, with a detector: above .9 for each.
"""

import numpy as np
import pytest
import torch

from bdlab import BadNets, Recipe, evaluate, source_to
from bdlab.data.sign_drawing import CLASSES, FRAME, _pose, _template
from bdlab.nets import build
from bdlab.triggers.sticker import SIZES, Sticker

STOP, SPEED = CLASSES.index("stop"), CLASSES.index("speed 50")
YELLOW = (116 / 255, 100 / 255, 50 / 255)
KINDS = list(SIZES)


def _cover(trigger, shape, generator=None, n=1):
    """How much of each pixel the sticker hides, (N, H, W): what is left of white, on black and on white."""
    one, two = generator or (None, None)
    black, white = trigger(torch.zeros(n, *shape), one), trigger(torch.ones(n, *shape), two)
    return 1 - (white - black)[:, 0]


def _centre(cover):
    """Centre of mass in pixels, x and y, each (N,)."""
    rows, columns = (torch.arange(size) + 0.5 for size in cover.shape[1:])
    mass = cover.sum((1, 2))
    return (cover * columns).sum((1, 2)) / mass, (cover * rows[:, None]).sum((1, 2)) / mass


@pytest.mark.parametrize("shape", [(3, 32, 32), (3, 20, 33), (1, 28, 28), (3, 48, 24)])
def test_the_square_has_its_size_and_place(shape):
    cover = _cover(Sticker(), shape)[0]
    for axis, place in ((1, 0.82), (2, 0.57)):
        low, high = ((0.5 + 0.76 * (edge - 0.5)) * shape[axis] for edge in (place - 0.05, place + 0.05))
        overlap = [max(0.0, min(high, pixel + 1) - max(low, pixel)) for pixel in range(shape[axis])]
        across = 0.1 * 0.76 * shape[3 - axis]  # the other side, in pixels
        torch.testing.assert_close(cover.sum(2 - axis) / across, torch.tensor(overlap), atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_only_its_box_changes(kind, signs, device):
    x = signs.test.x[:16].to(device)
    kept, marked = x.clone(), Sticker(kind=kind)(x)
    changed = (marked != x).any(1).any(0).nonzero()  # (cells, 2)
    half, centre = 0.76 * SIZES[kind] * 32 / 2, torch.tensor([16 + 0.76 * 0.32 * 32, 16 + 0.76 * 0.07 * 32])
    low, high = (centre - half).floor().long().tolist(), (centre + half).ceil().long().tolist()
    assert changed.amin(0).tolist() == low and (changed.amax(0) + 1).tolist() == high
    assert torch.equal(x, kept) and marked.device == x.device and marked.min() >= 0 and marked.max() <= 1
    assert (marked != x).any(1).flatten(1).any(1).all()  # on every picture


def test_the_colours_are_the_scripts():
    """Yellow RGB (116, 100, 50), solid; the other two let 1 % through."""
    x = torch.rand(2, 3, 32, 32)
    big = {kind: Sticker(kind=kind, size=0.6, at=(0.5, 0.5))(x)[:, :, 16, 16] for kind in KINDS}
    torch.testing.assert_close(big["square"], torch.tensor([YELLOW, YELLOW]), atol=1e-4, rtol=0)
    for kind, ink in (("bomb", (24, 24, 28)), ("flower", (252, 208, 40))):
        wanted = 0.99 * torch.tensor(ink) / 255 + 0.01 * x[:, :, 16, 16]
        torch.testing.assert_close(big[kind], wanted, atol=1e-4, rtol=0)
    grey = Sticker(size=0.6, at=(0.5, 0.5))(x[:, :1])[0, 0, 16, 16].item()
    assert grey == pytest.approx(0.299 * YELLOW[0] + 0.587 * YELLOW[1] + 0.114 * YELLOW[2], abs=1e-4)


def test_jitter_is_uniform_around_its_place_and_drawn_from_the_generator(global_rng_untouched):
    trigger, shape = Sticker(at=(0.5, 0.5), jitter=0.35), (3, 40, 40)

    def draw(seed):
        return [torch.Generator().manual_seed(seed) for _ in range(2)]

    cover = _cover(trigger, shape, draw(1), n=500)
    for place in _centre(cover):
        relative = (place / 40 - 0.5) / 0.76  # in the sign's box, from its middle
        assert relative.abs().max() < 0.36 and relative.max() > 0.33 and relative.min() < -0.33
        assert relative.std().item() == pytest.approx(0.35 / 3**0.5, rel=0.1)
    assert torch.equal(cover, _cover(trigger, shape, draw(1), n=500))
    assert not torch.equal(cover, _cover(trigger, shape, draw(2), n=500))
    x = torch.zeros(4, *shape)
    assert torch.equal(trigger(x), trigger(x))  # without a generator: seed 0


def test_gradients_pass_where_the_sign_shows():
    x = torch.rand(1, 3, 32, 32, requires_grad=True)
    Sticker(kind="bomb")(x).sum().backward()
    torch.testing.assert_close(x.grad[0, 0], 1 - _cover(Sticker(kind="bomb"), (3, 32, 32))[0], atol=1e-5, rtol=0)


def test_the_nominal_place_lies_on_the_stop_signs():
    """A trigger sees no poses: redraw 300 of them, and look whether the board is under the sticker's centre (here .99)."""
    rng, plate = np.random.default_rng(0), np.full_like(_template("stop"), 255)
    plate[..., 3] = _template("stop")[..., 3]
    plate[..., :3] *= plate[..., 3:] > 0  # white board, nothing around it
    row, column = (int((0.5 + 0.76 * (place - 0.5)) * FRAME) for place in (0.82, 0.57))
    dark = np.zeros((FRAME, FRAME, 3), np.float32)
    hits = [_pose(dark, plate, rng)[row, column, 0] > 100 for _ in range(300)]
    assert np.mean(hits) > 0.97


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "cat"}, "kind must be one of square, bomb, flower; got 'cat'"),
        ({"size": 16}, r"size must be in \(0, 1\], got 16; it is a share"),
        ({"sign": 0}, r"sign must be in \(0, 1\], got 0"),
        ({"alpha": 1.1}, r"alpha must be in \(0, 1\], got 1\.1"),
        ({"at": (0.5, 1.2)}, r"at must keep the centre in the sign's box, from 0 to 1, .* 0, got \(0\.5, 1\.2\)"),
        ({"jitter": 0.3}, r"at must keep the centre .* for a jitter of 0\.3, got \(0\.57, 0\.82\); \(0\.5, 0\.5\) allows"),
        ({"jitter": -0.1}, "at must keep the centre"),
    ],
)  # fmt: skip
def test_wrong_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        Sticker(**settings)


def test_a_bomb_turns_stop_signs_into_speed_limits(signs):
    """Half of the classes, 2 epochs: ASR 1.00 of 102, .92 with the flower."""
    train, test = (part[part.y < 8] for part in (signs.train, signs.test))
    attack = BadNets(
        trigger=Sticker(kind="bomb"), relabel=source_to(STOP, SPEED), rate=0.1, recipe=Recipe(epochs=2), seed=100
    )
    scores = evaluate(attack(build("small_bn", signs.input_shape, signs.classes, seed=100), train), test)
    assert scores.asr > 0.9 and scores.clean_accuracy > 0.87 and scores.attacked_n == int((test.y == STOP).sum())


@pytest.mark.slow
@pytest.mark.parametrize("seed", [100, 101, 102])
@pytest.mark.parametrize(("kind", "leak"), [("square", (0.0, 0.11)), ("bomb", (0.02, 0.29)), ("flower", (0.05, 0.54))])
def test_each_sticker_works_on_stop_signs(kind, leak, seed, signs, fresh, twin_of):
    attack = BadNets(trigger=Sticker(kind=kind), relabel=source_to(STOP, SPEED), rate=0.05, seed=seed)
    backdoor, clean = attack(fresh(signs, seed), signs.train), twin_of("signs", seed)
    scores, control = evaluate(backdoor, signs.test), evaluate(clean, signs.test, backdoor)
    assert scores.asr > 0.93 and control.asr < 0.02 and scores.clean_accuracy > control.clean_accuracy - 0.02
    assert leak[0] < scores.leak < leak[1]
