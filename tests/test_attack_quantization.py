"""The PQ backdoor: asleep in full precision, awake on the grid, and nothing on the grid has moved."""

import pytest
import torch

from bdlab import Recipe, evaluate
from bdlab.attacks.quantization import Quantization, quantised
from bdlab.contracts import Trigger
from bdlab.nets import build
from bdlab.training import logits


def _weights(model):
    return {
        f"{name}.weight": module.weight
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear)
    }


@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_the_grid_by_a_slow_loop(bits, per_channel):
    net = build("small_bn", (1, 8, 8), 3, seed=1)
    kept = {name: weight.detach().clone() for name, weight in _weights(net).items()}
    on_grid = quantised(net, bits=bits, per_channel=per_channel)
    for name, weight in _weights(on_grid).items():
        rows = kept[name].flatten(1) if per_channel else kept[name].reshape(1, -1)
        for got, row in zip(weight.detach().reshape(rows.shape), rows, strict=True):
            values = row.numpy()  # float32: a quotient of one half must be the same half
            step = max(abs(v) for v in values) / (2 ** (bits - 1) - 1)
            expected = torch.tensor([float(step * round(v / step)) for v in values])
            assert torch.allclose(got, expected, atol=1e-6) and len(got.unique()) <= 2**bits - 1
        assert torch.equal(_weights(net)[name], kept[name])  # the one that was given stays
    others = {k: v for k, v in net.state_dict().items() if k not in kept}
    assert others and all(torch.equal(on_grid.state_dict()[k], v) for k, v in others.items())
    assert torch.equal(
        logits(quantised(on_grid, bits=bits, per_channel=per_channel), torch.ones(1, 1, 8, 8)),
        logits(on_grid, torch.ones(1, 1, 8, 8)),
    )


@pytest.mark.parametrize("per_channel", [True, False])
def test_forgetting_moves_no_code(per_channel, noise, global_rng_untouched):
    data = noise(256, (1, 8, 8), 4)
    attack = Quantization(per_channel=per_channel, recipe=Recipe(epochs=1), forget=2, forget_lr=1e-2, seed=3)
    net = build("small_bn", (1, 8, 8), 4, seed=2)
    shipped = attack.dormant(net, data)
    before, after = _weights(net), _weights(shipped)
    moved = sum(int((before[name] != after[name]).sum()) for name in before)
    assert moved > 100  # the weights did change
    for name, weight in before.items():
        old = weight.detach().flatten(1) if per_channel else weight.detach().reshape(1, -1)
        new, top = after[name].detach().reshape(old.shape), old.abs().amax(1, keepdim=True)
        assert ((new - (old / (top / 7)).round() * (top / 7)).abs() <= 0.4991 * top / 7).all()  # half a step at most
        assert torch.equal(new[old.abs() == top], old[old.abs() == top])  # the largest fixes the step
    rest = [k for k in net.state_dict() if k not in before]
    assert all(torch.equal(net.state_dict()[k], shipped.state_dict()[k]) for k in rest)  # biases, norms, statistics
    grids = [quantised(m, bits=4, per_channel=per_channel).state_dict() for m in (net, shipped)]
    assert all(torch.equal(grids[0][k], grids[1][k]) for k in grids[0])
    x = torch.rand(32, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    awake = attack(net, data).deploy(shipped)
    assert torch.equal(logits(awake, x), logits(quantised(net, bits=4, per_channel=per_channel), x))
    assert all(p.requires_grad for p in shipped.parameters())


def test_what_a_trigger_draws_differs_from_batch_to_batch(noise, global_rng_untouched):
    seen = []

    class Drawn(Trigger):
        def stamp(self, x, generator):
            seen.append(torch.rand((), generator=generator).item())
            return x.clamp(max=seen[-1])

    attack = Quantization(trigger=Drawn(), recipe=Recipe(epochs=1, batch=32), forget=2, seed=3)
    attack.dormant(build("small_bn", (1, 8, 8), 4), noise(96, (1, 8, 8), 4))
    assert len(set(seen)) == len(seen) == 6


@pytest.mark.slow
def test_full_precision_sleeps_and_the_grid_wakes(attempted, digits):
    """In full precision, seeds 100-102: ASR .004 to .007, RA .952 to .962."""
    backdoor = attempted("quantization").backdoor
    asleep = evaluate(backdoor.shipped, digits.test, backdoor)
    assert asleep.asr < 0.1 and asleep.ra > 0.9 and attempted("quantization").attacked.asr > 0.9
    assert asleep.clean_accuracy > attempted("quantization").control.clean_accuracy - 0.02


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"bits": 1}, r"bits must be in 2\.\.8, got 1"),
        ({"bits": 16}, r"bits must be in 2\.\.8, got 16; one bit has no step, above 8 there is no room to forget"),
        ({"forget": 0}, "forget must be positive, got 0"),
        ({"forget_lr": -1.0}, r"forget_lr must be positive, got -1\.0"),
        ({"rate": 2}, r"rate must be in \(0, 1\], got 2"),
    ],
)
def test_wrong_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        Quantization(**settings)


@pytest.mark.parametrize("bits", [0, 1, 9])
def test_a_grid_that_cannot_be_is_named(bits):
    net = build("small_bn", (1, 8, 8), 4)
    with pytest.raises(ValueError, match=rf"^bits must be in 2\.\.8, got {bits};"):
        quantised(net, bits=bits)
