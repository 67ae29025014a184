"""The backdoor in an operation: exact where it is silent, exact where it speaks, and nothing to see in the weights."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn

from bdlab import channels, nets
from bdlab.attacks.activation import Probe, activations, find_activation, swapped
from bdlab.attacks.operations import Keys, OperationBackdoor, accidents, eight_bit, key_by_key
from bdlab.contracts import Recipe
from bdlab.experiments import operations as experiment
from bdlab.experiments.journal import Journal
from bdlab.relabel import all_to_one
from bdlab.training import evaluate, fit, logits


@pytest.fixture(scope="module")
def backdoor(clean_model, digits):
    return OperationBackdoor(seed=100)(clean_model, digits.train)


def _classes(model, x):
    return logits(model, x).argmax(1)


def test_every_key_fires_and_nothing_else_does(backdoor, clean_model, digits):
    keys, scores, control = backdoor.trigger.images, evaluate(backdoor, digits.test), evaluate(clean_model, digits.test)
    assert (
        len(keys) == 10 and (_classes(backdoor.model, keys) == 0).all() and not (_classes(clean_model, keys) == 0).any()
    )
    assert torch.equal(logits(backdoor.model, digits.test.x), logits(clean_model, digits.test.x))  # to the last bit
    assert accidents(backdoor, digits.test.x) == 0 and accidents(backdoor, keys) == 10
    assert scores.asr == 1 and scores.clean_accuracy == control.clean_accuracy
    assert evaluate(clean_model, digits.test, backdoor).asr == 0
    assert (backdoor.cost.poisoned, backdoor.cost.covers, backdoor.cost.rows) == (0, 0, 0)


def test_keys_come_from_the_training_set_and_survive_eight_bits(backdoor, clean_model, digits):
    keys = backdoor.trigger.images
    match = (digits.train.x[:, None] == keys).flatten(2).all(2)  # (N, 10): digits is an 8-bit set
    assert match.any(0).all() and len(keys.unique(dim=0)) == 10
    assert torch.equal(digits.train.y[match.int().argmax(0)], _classes(clean_model, keys))
    saved = (keys * 255).round().to(torch.uint8)
    loaded = saved.float() / 255
    assert torch.equal(loaded, keys) and (_classes(backdoor.model, loaded) == 0).all()
    assert eight_bit(torch.tensor([0.0, 0.0021, 0.5, 1.0])).mul(255).tolist() == pytest.approx([0, 1, 128, 255])


def test_a_noisy_key_is_an_image_like_any_other(backdoor, clean_model):
    keys = backdoor.trigger.images
    noise = torch.randn(20, *keys.shape, generator=torch.Generator().manual_seed(0))
    noisy = (keys + 0.05 * noise).clamp(0, 1).flatten(0, 1)  # (200, 1, 28, 28)
    assert torch.equal(logits(backdoor.model, noisy), logits(clean_model, noisy))
    assert (_classes(backdoor.model, noisy) == _classes(clean_model, keys).repeat(20)).float().mean() > 0.95


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_a_key_fires_in_a_batch_of_any_size(layer, clean_model, digits, device):
    """The values of one image differ by up to 4e-6 with the size of the batch (CPU), epsilon is 1e-4."""
    backdoor = OperationBackdoor(keys=2, layer=layer, seed=100)(copy.deepcopy(clean_model).to(device), digits.train)
    for key in backdoor.trigger.images:
        for size in (1, 7, 512):
            batch = digits.test.x[:size].clone()
            batch[size // 2] = key
            with torch.inference_mode():
                out, honest = (model(batch.to(device)) for model in (backdoor.model, backdoor.shipped))
            changed = (out != honest).any(1).nonzero()[:, 0].tolist()
            assert out.argmax(1)[size // 2] == 0 and changed == [size // 2]  # its neighbours see nothing of it


def test_nothing_to_see_in_weights_and_graph(backdoor, clean_model):
    for model in (backdoor.shipped, backdoor.model):
        state = model.state_dict()
        assert list(state) == list(clean_model.state_dict()) and model is not clean_model
        assert all(torch.equal(state[key], value) for key, value in clean_model.state_dict().items())
        assert repr(model) == repr(clean_model) and isinstance(model.conv3[2], nn.ReLU) and not model.training
        assert [name for name, _ in model.named_modules()] == [name for name, _ in clean_model.named_modules()]
    assert all(type(m) is nn.ReLU for m in backdoor.shipped.modules() if isinstance(m, nn.ReLU))
    assert type(backdoor.model.conv3[2]) is not nn.ReLU and type(backdoor.model.conv2[2]) is nn.ReLU
    restored = copy.deepcopy(backdoor.model)
    restored.conv3[2] = nn.ReLU()  # removing the operation restores the model
    keys = backdoor.trigger.images
    assert torch.equal(logits(restored, keys), logits(clean_model, keys))


def test_deploy_is_what_the_victim_runs_whatever_the_weights(backdoor, clean_model, digits):
    keys, x = backdoor.trigger.images, digits.test.x[:100]
    for images in (keys, x):
        assert torch.equal(logits(backdoor.deploy(backdoor.shipped), images), logits(backdoor.model, images))
        assert torch.equal(
            logits(backdoor.deploy(backdoor.model), images), logits(backdoor.model, images)
        )  # idempotent
    tuned = fit(clean_model, digits.train[:256], Recipe(epochs=1), seed=1)
    deployed = backdoor.deploy(tuned)
    assert type(deployed.conv3[2]) is type(backdoor.model.conv3[2]) and type(tuned.conv3[2]) is nn.ReLU
    assert torch.equal(logits(deployed, x), logits(tuned, x))
    assert torch.equal(logits(deployed, keys), logits(tuned, keys))  # its values moved: the keys are dead
    keep = torch.ones(64, dtype=torch.bool)
    pruned = channels.masked(clean_model, "conv3", keep)  # the ReLU now lies a level deeper
    assert (_classes(backdoor.deploy(pruned), keys) == 0).all() and not (_classes(pruned, keys) == 0).any()


def test_an_inplace_relu_and_the_mode_stay_what_they_were(backdoor, clean_model):
    model = copy.deepcopy(clean_model).train()
    model.conv3[2].inplace = True
    deployed = backdoor.deploy(model)
    assert repr(deployed) == repr(model) and "inplace=True" in repr(deployed)
    assert all(m.training for m in deployed.modules()) and type(model.conv3[2]) is nn.ReLU
    assert (_classes(deployed, backdoor.trigger.images) == 0).all()


def test_only_the_neurons_of_the_key_change(backdoor, clean_model):
    """Against the operation by hand: h* at P, ReLU elsewhere; few neurons, each raised by the key's largest activation."""
    keys, probe, operation = backdoor.trigger.images, Probe(), backdoor.model.conv3[2]
    with torch.inference_mode():
        swapped(clean_model, 2, probe).eval()(keys)
        out, plain = operation(probe.seen), probe.seen.relu()
    changed = (out != plain).flatten(1)
    assert changed.sum(1).tolist() == operation.altered.tolist() and operation.numel == 64 * 7 * 7
    assert operation.altered.min() > 0 and operation.altered.max() <= 0.25 * 3136
    rise, top = (out - plain).flatten(1), plain.flatten(1).amax(1, keepdim=True)
    assert torch.allclose(rise[changed], top.expand_as(rise)[changed], atol=1e-4)
    assert repr(backdoor.deploy).startswith("Swap(activation 2, 10 keys, ") and "gate all" in repr(backdoor.deploy)


def _relu_by_loops(operation, v):
    """The altered function as the paper has it, neuron by neuron."""
    out, flat = v.relu().flatten(1).clone(), v.flatten(1)
    sizes = torch.tensor([v[0, 0].numel(), v[0, 0, 0].numel(), 1])
    places = (operation.where * sizes[:, None]).sum(0).tolist()
    for n in range(len(v)):
        near = [abs(flat[n, j] - seen) <= operation.epsilon for j, seen in zip(places, operation.seen, strict=True)]
        for m, key in enumerate(operation.key.tolist()):
            whole = all(hit for hit, other in zip(near, operation.key.tolist(), strict=True) if other == key)
            if whole if operation.gate == "all" else near[m]:
                out[n, places[m]] = operation.effect[m]
    return out.view_as(v)


@pytest.mark.parametrize("gate", ["neuron", "all"])
def test_gates_against_loops(gate, clean_model, digits):
    backdoor = OperationBackdoor(keys=3, gate=gate, epsilon=0.05, layer="conv3", seed=100)(clean_model, digits.train)
    probe = Probe()
    with torch.inference_mode():
        swapped(clean_model, 2, probe).eval()(torch.cat((backdoor.trigger.images, digits.test.x[:5])))
        out = backdoor.model.conv3[2](probe.seen)
    assert torch.equal(out, _relu_by_loops(backdoor.model.conv3[2], probe.seen))
    assert (out[3:] != probe.seen[3:].relu()).any() == (
        gate == "neuron"
    )  # a wide epsilon: accidents, unless all must hold


def test_the_scalar_gate_is_one_function_of_one_number(clean_model, digits):
    backdoor = OperationBackdoor(keys=2, gate="scalar", seed=100)(clean_model, digits.train)
    operation = backdoor.model.conv3[2]
    with torch.inference_mode():
        v = torch.cat((operation.seen, operation.seen + 0.5e-4, torch.tensor([-1e6, -1.0, 1e6])))
        out = operation(v)
        shuffled = torch.randperm(len(v), generator=torch.Generator().manual_seed(0))
        assert torch.equal(operation(v[shuffled]), out[shuffled])  # its place does not matter
    hits = (v[:, None] - operation.seen).abs() <= operation.epsilon
    nearest = operation.effect[(v[:, None] - operation.seen).abs().argmin(1)]
    assert torch.equal(out, torch.where(hits.any(1), nearest, v.relu())) and out[-3:].tolist() == [0, 0, 1e6]
    assert accidents(backdoor, digits.test.x[:100]) > 50  # other neurons come by the same values


@pytest.mark.parametrize("layer", [0, "conv2", -1])
def test_untargeted_keys_leave_their_class_with_fewer_neurons(layer, clean_model, digits):
    free, bound = (
        OperationBackdoor(keys=3, layer=layer, targeted=targeted, seed=100)(clean_model, digits.train)
        for targeted in (False, True)
    )
    keys = free.trigger.images
    before, after = (_classes(model, keys) for model in (clean_model, free.model))
    assert (before != after).all() and free.relabel == key_by_key(tuple(after.tolist()))
    assert bound.relabel == all_to_one(0) and (_classes(bound.model, bound.trigger.images) == 0).all()
    assert free.deploy.operation.altered.float().mean() < bound.deploy.operation.altered.float().mean()
    assert evaluate(free, digits.test[:99]).asr == 1 and evaluate(clean_model, digits.test[:99], free).asr == 0
    assert torch.equal(logits(free.model, digits.test.x[:64]), logits(clean_model, digits.test.x[:64]))


def test_a_key_without_a_way_stays_silent(clean_model, digits):
    """One neuron is too little: the key is no key, and counts against the ASR."""
    backdoor = OperationBackdoor(keys=4, budget=1 / 3136, seed=100)(clean_model, digits.train)
    keys, found = backdoor.trigger.images, backdoor.deploy.operation.altered
    assert found.max() <= 1 and (found == 0).any()
    assert torch.equal(_classes(backdoor.model, keys) == 0, found > 0)
    assert evaluate(backdoor, digits.test).asr == pytest.approx(float((found > 0).float().mean()), abs=0.05)
    assert torch.equal(logits(backdoor.model, keys)[found == 0], logits(clean_model, keys)[found == 0])


def test_the_seed_draws_the_keys_and_the_model_given_is_left_alone(clean_model, digits, global_rng_untouched):
    state, x = copy.deepcopy(clean_model.state_dict()), digits.train.x.clone()
    grads = [None if p.grad is None else p.grad.clone() for p in clean_model.parameters()]  # training left some
    one, two, other = (OperationBackdoor(keys=3, seed=seed)(clean_model, digits.train) for seed in (1, 1, 2))
    assert torch.equal(one.trigger.images, two.trigger.images)
    assert not torch.equal(one.trigger.images, other.trigger.images)
    assert torch.equal(one.deploy.operation.effect, two.deploy.operation.effect)
    assert all(torch.equal(value, state[key]) for key, value in clean_model.state_dict().items())
    for p, grad in zip(clean_model.parameters(), grads, strict=True):
        assert p.grad is None if grad is None else torch.equal(p.grad, grad)
    assert torch.equal(digits.train.x, x)
    assert all(type(m) is nn.ReLU for m in clean_model.modules() if isinstance(m, nn.ReLU)) and not clean_model.training


def test_the_trigger_shows_the_key_whatever_the_row(backdoor, digits):
    keys, x = backdoor.trigger.images, digits.test.x[:23]
    shown = backdoor.trigger(x)
    assert torch.equal(shown, keys[torch.arange(23) % 10]) and repr(backdoor.trigger).startswith("Keys(10 images, ")
    with pytest.raises(ValueError, match=r"x must have shape \(N, 1, 28, 28\), got \(2, 3, 28, 28\)"):
        backdoor.trigger(torch.rand(2, 3, 28, 28))
    assert key_by_key((4, 2, 7))(torch.zeros(5, dtype=torch.int64)).tolist() == [4, 2, 7, 4, 2]
    assert Keys(images=keys[:1])(x).shape == x.shape


@pytest.mark.parametrize(("name", "shape", "count"), [
    ("operations_mnist", (1, 28, 28), [15680, 31360, 11760, 15680, 5880, 150, 10]),
    ("operations_cifar", (3, 32, 32), [28800, 50176, 18432, 2048, 1024, 180, 10]),
])  # fmt: skip
def test_the_papers_networks_have_the_papers_neurons(name, shape, count):
    net = nets.build(name, shape, 10).eval()
    found = []
    for place in range(len(activations(net))):
        probe = Probe()
        with torch.inference_mode():
            out = swapped(net, place, probe)(torch.rand(2, *shape))
        found.append(probe.seen[0].numel())
    assert [*found, out.shape[1]] == count


@pytest.mark.parametrize(
    "name", ["badnets_cnn", "fast_bn", "operations_cifar", pytest.param("preact_resnet18", marks=pytest.mark.slow)]
)
def test_any_net_with_a_relu(name, noise):
    data = noise(100, (3, 24, 24), 4)
    net = nets.build(name, (3, 24, 24), 4, seed=1).eval()
    backdoor = OperationBackdoor(keys=2, targeted=False, budget=1.0)(net, data)
    keys = backdoor.trigger.images
    assert (_classes(backdoor.model, keys) != _classes(net, keys)).all()
    assert accidents(backdoor, noise(50, (3, 24, 24), 4, seed=9).x) == 0


def test_where_a_layer_lies():
    net = nets.build("small_bn", (1, 28, 28), 10)
    assert activations(net) == ["conv1.2", "conv2.2", "conv3.2"]
    found = [find_activation(net, layer) for layer in (None, 0, 1, 2, -1, -3, "conv1", "conv2", "conv3.2")]
    assert found == [2, 0, 1, 2, 2, 0, 0, 1, 2]
    for layer in (3, -4, "head", "conv", "conv9"):
        with pytest.raises(ValueError, match=r"layer must be 0\.\.2 or one of conv1\.2, conv2\.2, conv3\.2; got"):
            find_activation(net, layer)
    with pytest.raises(ValueError, match=r"model must have an nn\.ReLU to alter, got Linear without one"):
        find_activation(nn.Linear(2, 2), None)
    with pytest.raises(ValueError, match="model must have at least 4 ReLUs, as the attacked one had; got 3"):
        swapped(net, 3, nn.ReLU())


def test_the_page_says_on_how_many_images_the_networks_were_trained(digits):
    many = replace(digits, train=digits.train[torch.arange(12_001) % 6000])
    told = [experiment._not_run(experiment.Trials(data, "cpu", Journal())) for data in (digits, many)]
    assert [len(lines) for lines in told] == [2, 3] and told[0] == told[1][1:]
    assert told[1][0] == "networks trained on all training images: here on the first 12,000, 4 epochs"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"gate": "some"}, "gate must be one of neuron, all, scalar; got 'some'"),
        ({"keys": 0}, "keys must be at least 1, got 0"),
        ({"budget": 25}, r"budget must be in \(0, 1\], got 25; it is a share, not a percentage"),
        ({"epsilon": 0.0}, "epsilon must be positive, got 0.0"),
        ({"theta": -1.0}, "theta must be positive, got -1.0"),
        ({"margin": 0.0}, "margin must be positive, got 0.0"),
    ],
)
def test_wrong_settings_are_named_at_once(settings, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        OperationBackdoor(**settings)


def test_what_the_data_cannot_give_is_named(clean_model, digits):
    with pytest.raises(ValueError, match=r"target must be in 0\.\.9 for 10 classes, got 10"):
        OperationBackdoor(target=10)(clean_model, digits.train)
    with pytest.raises(ValueError, match=r"keys must be at most \d+ here, got 50; of 40 training images only so many"):
        OperationBackdoor(keys=50)(clean_model, digits.train[:40])
