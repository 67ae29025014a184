"""Text in the least significant bits: against bits written by hand, and read back."""

import pytest
import torch

from bdlab.attacks.invisible import Steganography
from bdlab.contracts import Split
from bdlab.registry import registered
from bdlab.triggers.lsb import LSB, read

SIZES = [(2, 1, 28, 28), (1, 3, 32, 32), (3, 3, 5, 7), (1, 1, 1, 3)]  # batch of one; not square; less than a character


def _eight_bit(size, seed=0):
    values = torch.randint(0, 256, size, generator=torch.Generator().manual_seed(seed))
    return values.float() / 255


def _by_hand(values, text):
    """The slow way: 8-bit values in raster order as a list, each with its last bit written."""
    bits = "".join(f"{ord(character):08b}" for character in text)
    return [value - value % 2 + int(bits[place % len(bits)]) for place, value in enumerate(values)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("text", ["a", "backdoor", "\x00\xff", "a text that is longer than the image" * 20])
def test_the_bits_are_those_written_by_hand(text, size, device):
    x = _eight_bit(size).to(device)
    kept, marked = x.clone(), LSB(text=text)(x)
    assert torch.equal(x, kept) and marked.device == x.device and marked.shape == x.shape
    for before, after in zip(x, marked, strict=True):
        values = (before.flatten() * 255).round().long().tolist()
        assert (after.flatten() * 255).round().long().tolist() == _by_hand(values, text)


def test_known_bits():
    assert LSB(text="Az").bits(20).tolist() == [0, 1, 0, 0, 0, 0, 0, 1, 0, 1, 1, 1, 1, 0, 1, 0, 0, 1, 0, 0]
    assert torch.equal(LSB(text="\xff")(torch.zeros(1, 1, 2, 2)), torch.full((1, 1, 2, 2), 1 / 255))
    assert torch.equal(LSB(text="\x00")(torch.ones(1, 1, 2, 2)), torch.full((1, 1, 2, 2), 254 / 255))


@pytest.mark.parametrize("name", ["digits", "signs"])
def test_on_the_embedded_sets_a_value_moves_by_at_most_one_step(name, load_once):
    x = load_once(name).test.x[:500]
    assert torch.equal((x * 255).round() / 255, x)  # they are 8-bit to begin with
    marked = LSB()(x)
    step = ((marked - x) * 255).round()
    assert set(step.unique().tolist()) <= {-1.0, 0.0, 1.0} and torch.allclose(marked - x, step / 255, atol=1e-7)
    assert torch.equal(marked[step == 0], x[step == 0])  # bit-identical where the bit was right already
    assert torch.equal((marked * 255).round() / 255, marked) and marked.min() >= 0 and marked.max() <= 1


def test_other_images_are_rounded_first():
    x = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    marked = LSB()(x)
    assert torch.equal(marked, LSB()((x * 255).round() / 255)) and (marked - x).abs().max() <= 1.5 / 255 + 1e-6
    assert torch.equal(LSB()(marked), marked)  # twice is once


@pytest.mark.parametrize("text", ["backdoor", "Grüße\n", "x" * 98])
def test_what_was_written_is_read(text):
    marked = LSB(text=text)(_eight_bit((2, 1, 28, 28)))
    assert read(marked[1], len(text)) == text and read(marked[0], 98) == (text * 98)[:98]
    assert read(_eight_bit((1, 28, 28), seed=1), len(text)) != text
    assert read(marked[0], 0) == ""


def test_the_text_does_not_survive_the_loss_of_a_bit():
    marked = LSB(text="backdoor")(_eight_bit((1, 3, 32, 32)))
    seven_bits = (marked * 127).round() / 127
    assert read(seven_bits[0], 8) != "backdoor"


def test_the_generators_are_left_alone(global_rng_untouched):
    generator = torch.Generator().manual_seed(1)
    before = generator.get_state()
    LSB()(torch.zeros(1, 1, 9, 9), generator)
    assert torch.equal(generator.get_state(), before)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LSB(text=""), "text must be at least one character, .*got ''"),
        (lambda: LSB(text="βδ"), "text must be .* one byte .*got 'βδ'"),
        (lambda: Steganography(text=""), "text must be at least one character"),
        (lambda: Steganography(rate=2), r"rate must be in \(0, 1\], got 2"),
        (
            lambda: read(torch.zeros(1, 4, 4), 3),
            r"length must be in 0\.\.2 characters for an image of 16 values, got 3",
        ),
        (lambda: read(torch.zeros(1, 4, 4), -1), "length must be in 0"),
        (lambda: LSB()(torch.zeros(1, 1, 4, 4, dtype=torch.uint8)), "x must be float32"),
    ],
)
def test_wrong_settings_are_named(make, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        make()


def test_the_attack_writes_its_text_into_what_it_poisons(digits):
    attack = Steganography(text="secret", seed=3)
    poisoned = attack.poison(digits.train[:500])
    assert attack.trigger == LSB(text="secret") and registered("attack")["steganography"].make is Steganography
    assert all(read(image, 6) == "secret" for image in poisoned.stamped) and (poisoned.labels == 0).all()
    assert torch.equal(poisoned.x[:500], digits.train.x[:500])  # the originals stay as they were


def test_a_text_that_is_there_already_is_no_trigger(digits):
    data = digits.train[:200]
    marked = Split(LSB(text="secret")(data.x), data.y, 10)
    with pytest.raises(ValueError, match=r"trigger must be visible, but LSB\(text='secret'\) changes none"):
        Steganography(text="secret").poison(marked)
