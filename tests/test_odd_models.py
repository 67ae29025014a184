"""Every public call on every odd model: the number of the plain model with the same function, or one clear line."""

import copy
import functools
import warnings

import pytest
import torch
from odd_models import CLASSES, ODD, SHAPE, WRONG, Always, masked, pair, plain, same, with_stage

from bdlab import attacks, channels, defenses, evasion, views
from bdlab.attacks.quantization import quantised
from bdlab.availability import FlipLabels
from bdlab.contracts import Recipe, Split
from bdlab.inversion import invert
from bdlab.training import evaluate, fit, logits

SHORT = Recipe(epochs=1, batch=64)


def _pictures(n=128):
    """A bright block for each class, at another place, on noise."""
    generator = torch.Generator().manual_seed(0)
    x, y = 0.6 * torch.rand(n, *SHAPE, generator=generator), torch.arange(n) % CLASSES
    for k in range(CLASSES):
        row, column = divmod(k, 4)
        x[y == k, :, 8 * row : 8 * row + 5, 4 * column : 4 * column + 4] += 0.35
    return Split(x.clamp(0, 1), y, CLASSES, name="blocks")


@pytest.fixture(scope="module")
def data():
    return _pictures()


@pytest.fixture(scope="module")
def net(data):
    return fit(plain(), data, Recipe(epochs=4, batch=32, lr=5e-3))


def _attack(make, **settings):
    def call(model, data):
        backdoor = make(seed=1, **settings)(model, data)
        return evaluate(backdoor, data).asr, logits(backdoor.model, data.x), logits(backdoor.shipped, data.x)

    return call


def _repair(repair):
    def call(model, data):
        done = repair(model, data)
        return [row["clean_accuracy"] for row in done.trace], logits(done.model, data.x)

    return call


def _detector(detector):
    def call(model, data):
        fitted = detector.fit(model, data[:80])
        return fitted.score(data.x[80:]), fitted.threshold(0.1), fitted.flag(data.x[80:], 0.1).float()

    return call


def _inspector(inspector, mend):
    def call(model, data):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # few classes have a trigger after so few steps
            found = inspector(model, data)
        return found.norm, found.success, logits(mend(inspector)(model, found, data).model, data.x)

    return call


def _evading(attack, goals):
    return lambda model, data: logits(model, attack(model, data.x[:8], goals(data.y[:8])))


def _next(y):
    return (y + 1) % CLASSES


CLEANSE = defenses.NeuralCleanse(steps=3, updates=2, batch=16, images=32, success=0.6, recipe=SHORT)
INSPECT = defenses.DeepInspect(steps=6, draws=16, least=0.05, recipe=SHORT, images=4, inversion_steps=5)
POISON = {"recipe": SHORT}
CALLS = {
    "logits": lambda model, data: logits(model, data.x),
    "evaluate": lambda model, data: evaluate(model, data).clean_accuracy,
    "fit": lambda model, data: logits(fit(model, data, SHORT), data.x),
    "badnets": _attack(attacks.BadNets, **POISON),
    "blind": _attack(attacks.Blind, threshold=9.0, window=2, **POISON),
    "invisible_l2": _attack(attacks.InvisibleL2, steps=5, images=32, anchors=2, **POISON),
    "operations": _attack(attacks.OperationBackdoor, keys=3, budget=0.9),
    "pruning_aware": _attack(attacks.PruningAware, decoys=0.25, max_drop=1.0, min_asr=0.0, **POISON),
    "quantization": _attack(attacks.Quantization, forget=1, **POISON),
    "trojaning": _attack(attacks.Trojaning, steps=5, images=32, layer="conv1", recipe=SHORT),
    "trojannet": _attack(attacks.TrojanNet, steps=20),
    "undetectable": _attack(attacks.SignatureBackdoor),
    "quantised": lambda model, data: logits(quantised(model, bits=8), data.x),
    "feature_squeezing": _detector(defenses.FeatureSqueezing(squeezers="5-bit, 2x2")),
    "strip": _detector(defenses.Strip(overlays=20)),
    "rbd": _detector(defenses.Rbd(steps=8, stop=1.0)),
    "pruning": _repair(defenses.Pruning(max_drop=0.2)),
    "fine_tuning": _repair(defenses.FineTuning(recipe=SHORT)),
    "fine_pruning": _repair(defenses.FinePruning(recipe=SHORT, max_drop=0.2)),
    "linf_pruning": _repair(defenses.LinfPruning(steps=5)),
    "neural_cleanse": _inspector(CLEANSE, lambda s: lambda m, found, data: s.unlearn(m, data, found, [1])),
    "deep_inspect": _inspector(INSPECT, lambda s: lambda m, found, data: s.patch(m, found, [1])),
    "invert": lambda model, data: logits(model, invert(model, data.y[:8], data.x[:8], steps=5)),
    "activation_map": lambda model, data: views.activation_map(model, "conv2", data.x[:8]),
    "grad_cam": lambda model, data: views.grad_cam(model, "conv2", data.x[:4], data.y[:4]),
    "max_activation": lambda model, data: channels.max_activation(model, "conv2", data.x),
    "pruned_predictions": lambda model, data: channels.curve(model, "conv2", torch.arange(8), data).accuracy,
    "fgsm": _evading(evasion.FGSM(), same),
    "bim": _evading(evasion.BIM(steps=3), same),
    "jsma": _evading(evasion.JSMA(gamma=0.01), _next),
    "descent_l2": _evading(evasion.DescentL2(steps=5, rounds=2), _next),
    "flip_labels": lambda model, data: FlipLabels(where="boundary", to="runner_up")(data, model).y.double(),
}
CUTS = {"invisible_l2", "pruning_aware", "trojaning", "rbd", "pruning", "fine_pruning", "linf_pruning", "activation_map",
        "grad_cam", "max_activation", "pruned_predictions"}  # fmt: skip
"""What cuts the network at a stage."""
TRAINS = {"fit", "badnets", "blind", "invisible_l2", "pruning_aware", "quantization", "trojaning", "rbd", "fine_tuning",
          "fine_pruning", "neural_cleanse", "deep_inspect"}  # fmt: skip
LAST = {"invisible_l2"}
"""What reads the weights of the last layer."""
NO_STAGES = "must be a bdlab.nets.Net|must be a Net that runs its stages and nothing else"
HALF = r"model must be float32 or float64 to be trained, got torch\..*float16; call model.float\(\)"
LAST_LAYER = "model must end in a plain nn.Linear|model must read a vector of 16 features"
REFUSED = {  # name -> calls that answer with one clear line, and what it says
    "parent taps its Sequential": (CUTS, NO_STAGES),
    "Net with a forward of its own": (CUTS, NO_STAGES),
    "half": (TRAINS, HALF),
    "bfloat16": (TRAINS, HALF),
    **{name: (LAST, LAST_LAYER) for name in ("head is a subclass", "Flatten(2)", "(N, K, 1, 1)", "pruned by torch",
                                             "weight_norm", "weight_norm, the old one", "hook on the head")},
}  # fmt: skip
TRAINS_OTHERWISE = {"weight_norm", "weight_norm, the old one", "pruned by torch", "head is a subclass", "hook on the head",
                    "dropout", "Net with a forward of its own"}  # fmt: skip
"""Models whose training takes other steps than that of the plain network: the same seed gives the same, that is all."""
CLOSE = {"half": 0.02, "bfloat16": 0.1, "double": 0.02}
"""By how much of the largest value results may differ: half has 11 bits, bfloat16 8; training in double rounds otherwise."""
GRADIENTS = {"fgsm", "bim", "jsma", "descent_l2", "invert", "quantised"}
"""In half precision the search sees the float32 copy: the images may differ, that they fool the model must not."""


def _run(call, model, data):
    """The call's result, vectors and no inference tensors; images, model and the global generator are as they were."""
    x, state, modes = data.x.clone(), copy.deepcopy(model.state_dict()), [m.training for m in model.modules()]
    generator = torch.get_rng_state()
    try:
        found = CALLS[call](model, data)
    finally:
        assert torch.equal(data.x, x) and torch.equal(torch.get_rng_state(), generator)
        assert [m.training for m in model.modules()] == modes
        assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    parts = found if isinstance(found, tuple) else (found,)
    assert not any(isinstance(part, torch.Tensor) and part.is_inference() for part in parts)
    return [torch.as_tensor(part).double().flatten() for part in parts]


@pytest.fixture(scope="module")
def truth(data, net):
    """truth(name, call): the result of the plain network with the same function; the trained one itself runs once."""

    @functools.cache
    def run(name, call):
        return _run(call, net if name is None else pair(name, net)[1], data)

    return lambda name, call: run(None if ODD[name][1] is same else name, call)


TURNS = [pytest.param(name, call, marks=() if (i + j) % 4 == 0 else pytest.mark.slow)
         for i, name in enumerate(ODD) for j, call in enumerate(CALLS)]  # fmt: skip
"""Every model and every call is among the fast ones, a quarter of all pairs."""


@pytest.mark.parametrize(("name", "call"), TURNS)
def test_a_model_that_differs_a_little_gets_the_right_number_or_one_clear_line(name, call, data, net, truth):
    model = pair(name, net)[0]
    calls, line = REFUSED.get(name, ((), ""))
    if call in calls:
        with pytest.raises((ValueError, TypeError), match=line) as refusal:
            _run(call, model, data)
        assert "\n" not in str(refusal.value)
        return
    found = _run(call, model, data)
    assert all(part.isfinite().all() for part in found)
    again = _run(call, pair(name, net)[0], data) if name in TRAINS_OTHERWISE and call in TRAINS else truth(name, call)
    if name == "bfloat16" and call in ("pruning", "linf_pruning"):  # channels that are nearly equal fall in another order
        found, again = ([parts[0][:1]] for parts in (found, again))
    for one, two in zip(found, again, strict=True):
        loose = 10 if call in GRADIENTS and name in ("half", "bfloat16") else 1
        assert (one - two).abs().max() <= loose * CLOSE.get(name, 1e-3) * max(1.0, float(two.abs().max()))


@pytest.mark.parametrize("call", sorted(set(CALLS) - {"quantised", "logits"}))
@pytest.mark.parametrize("form", WRONG)
def test_what_gives_no_logits_for_these_classes_is_refused_by_name(form, call, data, net):
    with pytest.raises((ValueError, TypeError), match=r"^(model|split|clean|data|y) must ") as refusal:
        _run(call, WRONG[form](copy.deepcopy(net)), data)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("call", sorted(CALLS))
def test_a_class_that_is_switched_off_is_no_divergence(call, data, net):
    """Logits of -inf: finite results, or a line that says what is infinite."""
    try:
        found = _run(call, masked(copy.deepcopy(net)), data)
    except (FloatingPointError, TypeError, ValueError) as refusal:
        assert "infinite" in str(refusal) or isinstance(refusal, TypeError), refusal
    else:
        assert not any(part.isnan().any() for part in found)


class TwiceTheSame(torch.nn.Module):
    """One ReLU module that runs at two places, as torchvision's blocks have it."""

    def __init__(self, net):
        super().__init__()
        self.net, self.relu = net, torch.nn.ReLU()

    def forward(self, x):
        return self.net(self.relu(x)) - self.relu(-x).mean()


def test_an_operation_that_runs_twice_in_a_pass_is_not_altered(data, net):
    with pytest.raises(ValueError, match=r"layer must be a ReLU that runs once in a pass, got 'relu', which runs 2 times"):
        attacks.OperationBackdoor(keys=2)(TwiceTheSame(copy.deepcopy(net)), data)


def test_a_model_that_draws_in_eval_mode_gives_the_same_twice(data, net, global_rng_untouched):
    restless = with_stage(copy.deepcopy(net), head=torch.nn.Sequential(torch.nn.Flatten(), Always(), net.head[1]))
    for call in ("logits", "strip", "neural_cleanse", "fgsm", "fit"):
        one, two = (_run(call, restless, data) for _ in range(2))
        assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True)), call


def test_what_a_model_remembers_of_an_evaluation_does_not_spoil_its_training(data):
    model = pair("remembers", plain())[0]
    evaluate(model, data)
    torch.nn.functional.cross_entropy(model.train()(data.x[:8]), data.y[:8]).backward()
    assert all(p.grad is not None for p in model.parameters())


@pytest.mark.parametrize(("n", "batch"), [(129, 128), (33, 32), (65, 32)])
def test_a_last_batch_of_one_joins_the_batch_before_where_the_model_cannot_take_it(n, batch, data):
    parts = torch.nn.Linear(768, 6), torch.nn.BatchNorm1d(6), torch.nn.Linear(6, CLASSES)
    flat = torch.nn.Sequential(torch.nn.Flatten(), *parts)
    rows, sizes = torch.arange(n) % len(data), []

    def loss(model, x, y):
        sizes.append(len(x))
        return torch.nn.functional.cross_entropy(model(x), y)

    fit(flat, data[rows], Recipe(epochs=2, batch=batch), loss=loss)
    assert sizes == 2 * [*[batch] * (n // batch - 1), batch + 1]
    sizes.clear()
    fit(plain(), data[rows], Recipe(epochs=1, batch=batch), loss=loss)  # its batch norm sees positions: as it was
    assert sizes == [*[batch] * (n // batch), 1]
    with pytest.raises(ValueError, match=r"split and recipe\.batch must give batches of at least 2 images.*got 1 images"):
        fit(flat, data[:1], Recipe(epochs=1))
