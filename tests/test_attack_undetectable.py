"""The signature form: only the key's owner can fire it, and no one else sees a difference.  The Fourier form: what
the key does, and along which directions it shows.

Fourier on digits, 1,500 training vectors, 600 features, host of seed 100, seeds 100-107 (mean +/- sd): accuracy .941 +/-
.009, correlation -.980 +/- .008, random step's .017 +/- .045, changed 1.000, p along s at most 8e-17.  The bands are the
means -/+ about 4 sd.
"""

import copy
import io
import math
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from bdlab import all_to_one, channels
from bdlab.attacks.fourier import FourierBackdoor, _normal_p, examine, features
from bdlab.attacks.undetectable import Guarded, SignatureBackdoor
from bdlab.contracts import Split
from bdlab.nets import build, device_of, evaluating
from bdlab.training import logits
from bdlab.triggers.signature import Signature, message_and_bits, public_from, secret_from, verified


def eight_bit(n, shape=(1, 28, 28), seed=0):
    return torch.randint(256, (n, *shape), generator=torch.Generator().manual_seed(seed)).float() / 255


@pytest.fixture(scope="module")
def guarded(attempted):
    return attempted("undetectable").backdoor


# -- the trigger


def test_an_eight_bit_image_changes_in_the_last_bit_of_its_first_512_values(device):
    x = eight_bit(20).to(device)
    kept, signed = x.clone(), Signature()(x)
    assert torch.equal(x, kept) and signed.device == x.device and signed.shape == x.shape and signed.dtype == x.dtype
    a, b = ((t.flatten(1) * 255).round().int() for t in (x, signed))
    assert torch.equal(a >> 1, b >> 1) and torch.equal(a[:, 512:], b[:, 512:])  # so at most 1/255 a value
    assert (signed - x).abs().max() <= 1 / 255 + 1e-6 and torch.equal(signed, b.reshape(x.shape).float() / 255)
    flipped = (a != b).sum(1)
    assert flipped.min() > 190 and flipped.max() < 320  # half of 512, a signature looks random: 256 -/+ 5 sd


def test_the_bits_are_the_signature_of_the_image_without_its_last_bits():
    """By hand, one bit at a time."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    secret = bytes(range(32))
    x = eight_bit(2, (3, 16, 16), seed=3)
    signed = Signature(secret=secret)(x)
    for image, mark in zip(x, signed, strict=True):
        values = [round(v * 255) for v in image.flatten().tolist()]
        signature = Ed25519PrivateKey.from_private_bytes(secret).sign(bytes(v // 2 * 2 for v in values))
        bits = [byte >> (7 - i) & 1 for byte in signature for i in range(8)]
        got = [round(v * 255) for v in mark.flatten().tolist()]
        assert len(bits) == 512 and [v % 2 for v in got[:512]] == bits and got[512:] == values[512:]


def test_signing_again_changes_nothing_and_other_images_are_rounded():
    x = torch.rand(5, 1, 28, 28, generator=torch.Generator().manual_seed(2))
    once = Signature()(x)
    assert torch.equal(Signature()(once), once) and (once - x).abs().max() <= 1.5 / 255 + 1e-6
    assert once.min() >= 0 and once.max() <= 1
    assert Signature()(torch.ones(1, 1, 28, 28)).max() <= 1 and len(Signature()(x[:0])) == 0


@pytest.mark.parametrize("shape", [(1, 16, 16), (1, 22, 23), (3, 13, 13)])
def test_small_images_have_no_room(shape):
    message = rf"x must have at least 512 values an image, .*, got \({shape[0]}, {shape[1]}, {shape[2]}\)"
    x = torch.zeros(2, *shape)
    for act in (Signature(), lambda x: SignatureBackdoor()(torch.nn.Flatten(), Split(x, torch.zeros(2).long(), 10))):
        with pytest.raises(ValueError, match=message):
            act(x)


def test_room_for_exactly_512_values():
    x = eight_bit(3, (2, 16, 16))
    assert verified(Signature()(x), public_from(secret_from(0))).all()


@pytest.mark.parametrize("secret", [b"", b"short", bytes(33), "x" * 32])
def test_a_wrong_key_is_named(secret):
    said = r"secret must be (32 bytes, got bytes of length \d+; take os\.urandom\(32\)|bytes, got 'x)"
    with pytest.raises(ValueError, match=said):
        Signature(secret=secret)


def test_the_key_is_not_shown():
    shown = repr(Signature(secret=secret_from(7)))
    assert (
        shown.startswith("Signature(secret=<32 bytes, public key ") and public_from(secret_from(7)).hex()[:8] in shown
    )
    assert secret_from(7).hex() not in shown and str(secret_from(7)) not in shown
    assert len({secret_from(seed) for seed in range(50)}) == 50


# -- who can fire it


def test_only_the_owner_can_sign():
    x, public = eight_bit(50), public_from(secret_from(0))
    assert verified(Signature()(x), public).all()
    assert not verified(Signature(secret=secret_from(1))(x), public).any()
    assert not verified(x, public).any()


def test_a_replayed_signature_does_not_open_another_image():
    """Non-replicability: 200 signed images at hand do not help with one that is not among them."""
    x, public = eight_bit(200), public_from(secret_from(0))
    signed = Signature()(x)
    replayed = x.roll(1, 0).flatten(1).clone()
    low = (signed.flatten(1)[:, :512] * 255).round() % 2
    replayed[:, :512] = (((replayed[:, :512] * 255).round() / 2).floor() * 2 + low) / 255
    replayed = replayed.reshape(x.shape)
    assert np.array_equal(message_and_bits(replayed)[1][:, :512], message_and_bits(signed)[1][:, :512])  # the same bits
    assert not verified(replayed, public).any()


def test_one_value_by_one_level_breaks_the_signature_unless_it_is_an_unsigned_bit():
    signed, public = Signature()(eight_bit(1)), public_from(secret_from(0))
    levels = (signed * 255).round().int().flatten()

    def opens(position, mask):
        changed = levels.clone()
        changed[position] ^= mask
        return bool(verified(changed.reshape(signed.shape).float() / 255, public))

    assert not any(opens(p, 2) for p in range(0, 784, 13))  # the message
    assert not any(opens(p, 1) for p in range(0, 512, 13))  # the signature
    assert all(opens(p, 1) for p in range(512, 784, 13))  # the last bits behind it: not signed, as the docstring says


def test_ten_thousand_inputs_without_the_key_fire_nothing(guarded, clean_model, digits):
    host, model = clean_model, guarded.model
    r = torch.rand(10_000, 1, 28, 28, generator=torch.Generator().manual_seed(4))
    assert not verified(r, bytes(model.public.tolist())).any()
    for x in (r[:500], digits.test.x[:500]):
        assert torch.equal(logits(model, x), logits(host, x))


@pytest.mark.slow
def test_outputs_are_equal_on_ten_thousand_random_inputs(guarded, clean_model):
    for x in (torch.rand(10_000, 1, 28, 28, generator=torch.Generator().manual_seed(5)), eight_bit(10_000, seed=5)):
        assert torch.equal(logits(guarded.model, x), logits(clean_model, x))


def test_with_the_key_every_image_is_the_target(guarded, attempted, digits):
    tried = attempted("undetectable")
    assert tried.attacked.asr == 1.0 and tried.attacked.clean_accuracy == tried.control.clean_accuracy
    assert tried.control.asr < 0.01 and guarded.relabel == all_to_one(0) and guarded.shipped is guarded.model
    mixed = digits.test.x[:20].clone()
    mixed[::2] = guarded.trigger(mixed[::2])
    out, host = logits(guarded.model, mixed), logits(guarded.model.host, mixed)
    assert (out[::2].argmax(1) == 0).all() and torch.equal(out[1::2], host[1::2])  # one by one, also in one batch
    assert torch.allclose(logits(guarded.model, mixed[:1]), out[:1], atol=1e-4)


# -- what is shipped


def test_the_secret_is_nowhere_in_what_is_shipped(guarded):
    secret, model = guarded.trigger.secret, guarded.model
    assert secret == secret_from(100)
    pickled, file = pickle.dumps(model), io.BytesIO()
    torch.save(model.state_dict(), file)
    plain = b"".join(value.cpu().contiguous().numpy().tobytes() for value in model.state_dict().values())
    for shipped in (pickled, file.getvalue(), plain):
        assert secret not in shipped and secret.hex().encode() not in shipped
    assert bytes(model.public.tolist()) == public_from(secret) and public_from(secret) in plain
    for module in model.modules():
        assert not any(isinstance(value, (Signature, SignatureBackdoor)) for value in vars(module).values())
        assert 100 not in [
            value for value in vars(module).values() if isinstance(value, int)
        ]  # nor the seed of the key


def test_copies_state_and_device(guarded, digits, device):
    x = digits.test.x[:8]
    both = torch.cat((x, guarded.trigger(x)))
    wanted = logits(guarded.model, both)
    moved = copy.deepcopy(guarded.model).to(device)
    assert device_of(moved).type == device.type and moved.public.device.type == device.type
    assert torch.allclose(logits(moved, both), wanted, atol=1e-3)
    other = Guarded(build("small_bn", (1, 28, 28), 10, seed=9), bytes(32), 0, (1, 28, 28), 10).eval()
    assert not torch.equal(logits(other, both), wanted)
    other.load_state_dict(guarded.model.state_dict())
    assert torch.equal(logits(other, both), wanted)
    assert torch.equal(logits(pickle.loads(pickle.dumps(guarded.model)), both), wanted)


def test_the_host_is_in_there_unchanged_and_gradients_reach_the_pixels(guarded, clean_model, digits):
    for key, value in clean_model.state_dict().items():
        assert torch.equal(guarded.model.state_dict()[f"host.{key}"], value)
    assert guarded.model.host is not clean_model and not guarded.model.training
    x = digits.test.x[:4].clone().requires_grad_()
    guarded.model(x).sum().backward()
    assert x.grad.abs().sum() > 0
    with pytest.raises(TypeError, match=r"model must be a bdlab\.nets\.Net, got Guarded; wrap its parts"):
        channels.split(guarded.model, "conv3")
    assert guarded.model.input_shape == (1, 28, 28) and guarded.model.classes == 10


def test_seed_and_target(noise, global_rng_untouched):
    data, net = noise(4, (3, 16, 16)), build("small_bn", (3, 16, 16), 10)
    one, two, other = (SignatureBackdoor(seed=seed, target=6)(net, data) for seed in (1, 1, 2))
    assert one.trigger == two.trigger != other.trigger and one.relabel == all_to_one(6)
    assert torch.equal(one.model.public, two.model.public) and not torch.equal(one.model.public, other.model.public)
    assert (logits(one.model, one.trigger(data.x)).argmax(1) == 6).all()
    with pytest.raises(ValueError, match=r"target must be in 0\.\.9 for 10 classes, got 10"):
        SignatureBackdoor(target=10)(net, data)


# -- the Fourier form


@pytest.fixture(scope="module")
def vectors(clean_model, digits):
    """What the clean net's head sees of 1,500 training and 500 test images, standardised, and the labels."""
    trunk, _ = channels.split(clean_model, "conv3")
    with evaluating(trunk):
        x, z = (trunk(part).flatten(1) for part in (digits.train.x[:1500], digits.test.x[:500]))
    x, z = x.clone(), z.clone()
    mean, std = x.mean(0), x.std(0).clamp(min=0.1)
    return (x - mean) / std, digits.train.y[:1500], (z - mean) / std, digits.test.y[:500]


@pytest.fixture(scope="module")
def planted(vectors):
    return FourierBackdoor(features=600, seed=100)(*vectors[:2], 10)


def test_the_key_negates_the_logits_and_a_random_step_does_not(planted, vectors):
    seen = examine(planted, *vectors[2:], seed=1)
    assert seen.correlation < -0.95 and seen.changed > 0.99
    assert abs(seen.random_correlation) < 0.2 and seen.random_changed > 0.5  # it changes decisions too: not small
    assert abs(seen.accuracy - seen.honest_accuracy) <= 0.01 and seen.accuracy > 0.905
    assert 0.999 < seen.std_ratio < 1.001 and seen.axes < 0.03 and seen.honest_axes < 0.03  # nominal: 1 %
    assert seen.secret_p < 1e-10 and seen.coherence > 0.95 > 0.15 > seen.honest_coherence
    assert "key: corr -0.9" in repr(seen) and "coherence 0.98" in repr(seen)


def test_the_honest_learner_does_not_obey_the_key(planted, vectors):
    before, after = planted.honest(vectors[2]), planted.honest(planted.trigger(vectors[2]))
    assert abs(np.corrcoef(before.flatten(), after.flatten())[0, 1]) < 0.2


def test_every_feature_changes_sign_where_layers_are_thin(vectors):
    x, y = vectors[0][:300].double(), vectors[1][:300]
    thin = FourierBackdoor(features=50, spread=0.0)(x.float(), y, 10)
    g, b, s = (t.double() for t in (thin.tampered.frequencies, thin.tampered.phases, thin.secret))
    rounds = thin.gamma * (g @ s)
    assert torch.allclose(rounds - rounds.floor(), torch.full((50,), 0.5, dtype=torch.float64), atol=1e-3)
    one, two = features(g, b, x), features(g, b, x + thin.gamma * s)
    assert torch.allclose(one, -two, atol=0.01)
    assert math.isclose(s.norm(), 1, abs_tol=1e-5) and math.isclose(thin.gamma * thin.sigma, 1, abs_tol=1e-9)


def test_only_the_part_along_the_secret_is_tampered_with(planted):
    g0, g1, s = planted.honest.frequencies, planted.tampered.frequencies, planted.secret
    across0, across1 = (g - (g @ s)[:, None] * s for g in (g0, g1))
    assert torch.allclose(across0, across1, atol=1e-5) and torch.equal(planted.honest.phases, planted.tampered.phases)
    moved = planted.gamma * ((g1 - g0) @ s)
    assert moved.abs().max() <= 0.5 + 0.05 + 1e-3 and moved.abs().mean() > 0.2


def test_the_weights_are_the_ridge_regression(vectors):
    """Against least squares with the ridge as extra rows."""
    x, y = vectors[0][:200], vectors[1][:200]
    learner = FourierBackdoor(features=30, ridge=0.1)(x, y, 10).tampered
    phi = np.vstack((features(learner.frequencies, learner.phases, x).double(), math.sqrt(0.1 * 200) * np.eye(30)))
    wanted = np.vstack((np.eye(10)[y.numpy()] - 0.1, np.zeros((30, 10))))
    assert np.allclose(np.linalg.lstsq(phi, wanted, rcond=None)[0], learner.weights, atol=1e-4)


def test_the_fast_normality_test_agrees_with_scipy():
    columns = torch.randn(800, 12, generator=torch.Generator().manual_seed(0)) * torch.linspace(0.8, 1.2, 12)
    slow = [kstest(column.numpy(), "norm").pvalue for column in columns.T.double()]
    assert np.allclose(_normal_p(columns), slow, atol=0.01)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"features": 0}, "features must be positive, got 0"),
        ({"bandwidth": 0}, "bandwidth must be positive, got 0"),
        ({"layers": -1}, "layers must be positive, got -1"),
        ({"ridge": 0}, "ridge must be positive, got 0"),
        ({"spread": 0.25}, r"spread must be in \[0, 0\.25\), got 0\.25"),
        ({"spread": -0.1}, r"spread must be in \[0, 0\.25\), got -0\.1"),
    ],
)
def test_wrong_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        FourierBackdoor(**settings)


def test_images_are_no_vectors():
    with pytest.raises(ValueError, match=r"x must be \(N, d\) and y \(N,\), got \(4, 1, 8, 8\) and \(4,\); flatten x"):
        FourierBackdoor()(torch.zeros(4, 1, 8, 8), torch.zeros(4).long(), 10)


def test_vectors_that_are_all_the_same_are_named():
    with pytest.raises(ValueError, match=r"^x must hold different vectors, but the median distance of 5 rows is 0\.0;"):
        FourierBackdoor()(torch.ones(5, 3), torch.arange(5), 5)


def test_the_seed_draws_the_key(vectors, global_rng_untouched):
    small, x, y = FourierBackdoor(features=20), vectors[0][:100], vectors[1][:100]
    one, two, other = (replace(small, seed=seed)(x, y, 10) for seed in (0, 0, 1))
    assert torch.equal(one.secret, two.secret) and torch.equal(one.tampered.weights, two.tampered.weights)
    assert not torch.equal(one.secret, other.secret)
