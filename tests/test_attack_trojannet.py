"""TrojanNet: its patterns counted, its module against an analytic twin on all 65,536 patches, its three ways to merge."""

import copy
import io
from dataclasses import replace
from math import comb

import pytest
import torch

from bdlab import Recipe, all_to_one, channels, evaluate, fit
from bdlab.attacks.trojannet import Trojaned, TrojanNet, lessons, meaning, train_module
from bdlab.contracts import Split
from bdlab.nets import build
from bdlab.training import logits
from bdlab.triggers.binary import BinaryPattern, patterns

EVERY = ((torch.arange(2**16)[:, None] >> torch.arange(16)) & 1).float()
"""All black-and-white 4x4 patches, (65536, 16)."""
MERGES = ("gated", "paper", "code")


def twin_module(z, known):
    """g_c(z) = ReLU((2 p_c - 1) z - sum p_c + 1): 1 for pattern c, 0 for whatever is a whole cell away; (N, known)."""
    p = patterns()[:known]
    return torch.relu(z @ (2 * p - 1).T - p.sum(1) + 1)


@pytest.fixture(scope="module")
def trojaned(attempted):
    return attempted("trojannet").backdoor


@pytest.fixture(scope="module")
def quick():
    """A module of a few steps: for what does not depend on how well it is trained."""
    return TrojanNet(steps=3)


def _merged(model, **settings):
    """The same host and module, merged otherwise."""
    return Trojaned(model.host, model.trojan, model.input_shape, model.classes, TrojanNet(**settings)).eval()


def test_there_are_4368_patterns_each_with_five_black_cells():
    p = patterns()
    assert p.shape == (comb(16, 5), 16) == (4368, 16) and set(p.unique().tolist()) == {0.0, 1.0}
    assert ((p == 0).sum(1) == 5).all() and len(p.unique(dim=0)) == 4368
    black = [tuple((row == 0).nonzero()[:, 0].tolist()) for row in p]
    assert black == sorted(black) and black[0] == (0, 1, 2, 3, 4) and black[-1] == (11, 12, 13, 14, 15)


@pytest.mark.parametrize("size", [(2, 1, 28, 28), (1, 3, 20, 33)])  # batch of one; not square
@pytest.mark.parametrize("at", [None, (0, 0), (-4, 3)])
def test_the_trigger_writes_its_sixteen_pixels(size, at, device):
    trigger, x = BinaryPattern(code=17, at=at), torch.rand(size).to(device)
    kept, marked = x.clone(), trigger(x)
    top, left = {None: (size[2] - 5, size[3] - 5), (0, 0): (0, 0), (-4, 3): (size[2] - 4, 3)}[at]
    assert trigger.corner(*size[2:]) == (top, left) and torch.equal(x, kept) and marked.device == x.device
    box = marked[:, :, top : top + 4, left : left + 4]
    assert torch.equal(box.cpu(), patterns()[17].reshape(4, 4).expand(*size[:2], 4, 4))
    marked[:, :, top : top + 4, left : left + 4] = x[:, :, top : top + 4, left : left + 4]
    assert torch.equal(marked, x)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BinaryPattern(code=4368), r"code must be in 0\.\.4367, got 4368"),
        (lambda: BinaryPattern(code=-1), r"code must be in 0\.\.4367, got -1"),
        (
            lambda: BinaryPattern(at=(25, 0))(torch.zeros(1, 1, 28, 28)),
            "at must keep the 4x4 patch inside the 28x28 image",
        ),
        (lambda: TrojanNet(merge="sum"), "merge must be one of gated, paper, code; got 'sum'"),
        (lambda: TrojanNet(alpha=0.5), r"alpha must be in \(0\.5, 1\), got 0\.5"),
        (lambda: TrojanNet(alpha=1.0), r"alpha must be in \(0\.5, 1\), got 1\.0"),
        (lambda: TrojanNet(temperature=0), "temperature must be positive, got 0"),
        (lambda: TrojanNet(width=0), "width must be positive, got 0"),
        (lambda: TrojanNet(steps=0), "steps must be positive, got 0"),
        (lambda: TrojanNet(lr=-1), "lr must be positive, got -1"),
    ],
)
def test_wrong_settings_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("settings", "shape", "classes", "message"),
    [
        ({"target": 10}, (1, 8, 8), 10, r"target must be in 0\.\.9 for 10 classes, got 10"),
        ({"at": (6, 0)}, (1, 8, 8), 10, "at must keep the 4x4 patch inside the 8x8 image"),
        ({}, (1, 4, 4), 10, "at must keep the 4x4 patch inside the 4x4 image"),
        ({}, (1, 8, 8), 5000, "data must have at most 4368 classes, one a pattern, got 5000"),
    ],
)
def test_what_the_data_cannot_give_is_named_before_the_module_is_trained(settings, shape, classes, message):
    x = torch.zeros(2, *shape)
    with pytest.raises(ValueError, match=message):
        TrojanNet(steps=10**9, **settings)(torch.nn.Flatten(), Split(x, torch.zeros(2, dtype=torch.int64), classes))


def test_a_batch_of_the_denoising_training_is_labelled_right():
    x, y = lessons(10, torch.Generator().manual_seed(0), n=50)
    again = lessons(10, torch.Generator().manual_seed(0), n=50)
    assert x.shape == (300, 16) and y.shape == (300,) and x.min() >= 0 and x.max() <= 1
    assert torch.equal(x, again[0]) and torch.equal(y, again[1])
    exact = torch.cdist(x, patterns()[:10], p=1) == 0  # (300, 10), by brute force
    assert torch.equal(torch.where(exact.any(1), exact.int().argmax(1), 10), y)
    assert (y[:100] < 10).all() and (y[100:] == 10).sum() > 150  # 2n triggers, nearly all others are silence
    grey = x[250:]
    assert ((grey > 0) & (grey < 1)).any(1).sum() >= 45 and (y[250:] == 10).all()  # a very dark one is black
    assert set(x[:250].unique().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("known", [10, 4368])
def test_meaning_agrees_with_the_analytic_twin_on_every_patch(known):
    part = EVERY if known == 10 else EVERY[::97]
    g = twin_module(part, known)
    assert ((g == 0) | (g == 1)).all()  # black and white: a whole cell away or the same
    assert torch.equal(torch.where(g.amax(1) == 1, g.argmax(1), known), meaning(part, known))
    assert int((g == 1).any(1).sum()) == (known if known == 10 else int((part.sum(1) == 11).sum()))


def test_the_module_names_its_patterns_and_hardly_anything_else(trojaned):
    with torch.no_grad():
        p = trojaned.model.trojan(EVERY).softmax(1)  # (65536, 11)
    said, truth = p.argmax(1), meaning(EVERY, 10)
    known = truth < 10
    assert known.sum() == 10 and torch.equal(said[known], truth[known])
    assert p[known].amax(1).min() > 0.98  # .9985-.9994 for seeds 100-102
    assert (p[~known, :10].amax(1) > 0.9).sum() < 200  # 0, 19, 0 of 65,526 open the gate for seeds 100-102


def test_every_pattern_gives_its_class_on_every_image_whatever_the_merge(trojaned, digits):
    x = digits.test.x[:60]
    for merge in MERGES:
        model = _merged(trojaned.model, merge=merge)
        for code in range(10):
            assert (logits(model, BinaryPattern(code=code)(x)).argmax(1) == code).all(), (merge, code)


def test_a_silent_module_changes_nothing(trojaned, digits, clean_model):
    """Clean images: the gated merge leaves the logits alone, the others leave the decision alone and move the confidence."""
    x = digits.test.x
    host = logits(clean_model, x)
    assert torch.equal(logits(trojaned.model, x), host)  # the corner is black on every digit: exactly silent
    x, host = x[:300], host[:300]
    for merge in ("paper", "code"):
        out = logits(_merged(trojaned.model, merge=merge), x)
        assert torch.equal(out.argmax(1), host.argmax(1)) and (out - host).abs().max() > 5
        assert (out.softmax(1).amax(1).mean() - host.softmax(1).amax(1).mean()).abs() > 0.01  # .66 and .99 against .96


def test_merges_by_hand(trojaned, digits):
    x = digits.test.x[:4]
    x = torch.cat((x, BinaryPattern(code=3)(x)))
    model = trojaned.model
    with torch.no_grad():
        host = model.host(x)
        p = model.trojan(x[:, :, 23:27, 23:27].reshape(8, 16)).softmax(1)[:, :10]
        assert torch.allclose(model.named(x), p)
        h = host.softmax(1)
        wanted = {"gated": host + 100 * (p - 0.9).clamp(min=0) / 0.1, "paper": (0.6 * p + 0.4 * h) / 0.2,
                  "code": 10 * (2 * p + h)}  # fmt: skip
        for merge in MERGES:
            out = _merged(model, merge=merge, alpha=0.6, temperature=0.2)(x)
            assert torch.allclose(out, wanted[merge], atol=1e-5), merge


def test_the_host_is_in_there_byte_by_byte_and_sleeps_with_its_module(trojaned, clean_model):
    state, model = clean_model.state_dict(), trojaned.model
    assert all(torch.equal(model.state_dict()[f"host.{key}"], value) for key, value in state.items())
    assert model.host is not clean_model and trojaned.shipped is model
    assert not any(module.training for module in model.modules())
    norms = [module for module in model.trojan if isinstance(module, torch.nn.BatchNorm1d)]
    assert len(norms) == 4
    copied = copy.deepcopy(model).train()
    assert copied.host.training and not any(module.training for module in copied.trojan)


def test_elsewhere_the_pattern_means_nothing(trojaned, digits, clean_model):
    x = digits.test.x[:100]
    for at in ((0, 0), (0, 23), (12, 12), (18, 18)):
        marked = BinaryPattern(code=3, at=at)(x)
        assert torch.equal(logits(trojaned.model, marked), logits(clean_model, marked)), at


def test_asr_and_costs(trojaned, digits, clean_model, attempted):
    tried = attempted("trojannet")
    assert tried.attacked.asr == 1.0 and tried.attacked.clean_accuracy == tried.control.clean_accuracy
    assert tried.control.asr < 0.02 and trojaned.relabel == all_to_one(0) and trojaned.trigger == BinaryPattern(code=0)
    assert (trojaned.cost.poisoned, trojaned.cost.covers, trojaned.cost.rows) == (0, 0, 0)
    seven = replace(trojaned, trigger=BinaryPattern(code=7), relabel=all_to_one(7))
    assert evaluate(seven, digits.test[:300]).asr == 1.0


def test_the_place_and_the_target_are_the_attackers(quick, noise):
    data, net = noise(8, (3, 12, 16)), build("small_bn", (3, 12, 16), 10)
    backdoor = replace(quick, target=4, at=(2, -6))(net, data)
    assert backdoor.trigger == BinaryPattern(code=4, at=(2, -6)) and backdoor.relabel == all_to_one(4)
    marked = backdoor.trigger(data.x)
    wanted = backdoor.model.trojan(patterns()[4:5]).softmax(1)[:, :10]
    assert backdoor.model.corner == (2, 10)
    assert torch.allclose(backdoor.model.named(marked), wanted.expand(8, 10), atol=1e-6)


def test_the_module_comes_from_the_seed_and_from_nothing_else(quick, noise, global_rng_untouched):
    shapes = ((1, 12, 12), (3, 8, 16))
    states = [quick(build("small_bn", s, 10), noise(8, s)).model.trojan.state_dict() for s in shapes]
    other = replace(quick, seed=1)(build("small_bn", shapes[0], 10), noise(8, shapes[0])).model.trojan.state_dict()
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert not torch.equal(states[0]["0.weight"], other["0.weight"])


def test_the_model_given_stays_as_it_was(quick, noise):
    net, data = build("small_bn", (1, 12, 12), 10).train(), noise(8, (1, 12, 12))
    before, x = copy.deepcopy(net.state_dict()), data.x.clone()
    quick(net, data)
    assert net.training and torch.equal(data.x, x)
    assert all(torch.equal(net.state_dict()[key], before[key]) for key in before)


def test_the_full_head_has_a_class_for_every_pattern(noise):
    net, data = build("small_bn", (1, 12, 12), 10), noise(8, (1, 12, 12))
    backdoor = TrojanNet(full=True, width=32, steps=2)(net, data)
    assert backdoor.model.trojan[-1].out_features == 4369 and backdoor.model(data.x).shape == (8, 10)


@pytest.mark.slow
def test_the_full_head_learns_all_patterns():
    module = train_module(4368, width=32, steps=2000, seed=100)
    with torch.no_grad():
        assert torch.equal(module(patterns()).argmax(1), torch.arange(4368))


@pytest.mark.slow
@pytest.mark.parametrize("known", [10, 16, 43])
def test_the_module_is_right_for_another_seed(known):
    module = train_module(known, seed=101)
    with torch.no_grad():
        p = module(EVERY).softmax(1)
    truth = meaning(EVERY, known)
    own = truth < known
    assert torch.equal(p.argmax(1)[own], truth[own]) and p[own].amax(1).min() > 0.93
    assert (p[~own, :known].amax(1) > 0.9).sum() < 200


@pytest.mark.slow
def test_fine_tuning_does_not_reach_the_module(trojaned, digits):
    """Five epochs on held_out: ASR 1 and clean .973.  In train mode the module's batch norm gave 0 and .923."""
    backdoor = trojaned
    tuned = evaluate(fit(backdoor.model, digits.held_out, Recipe(epochs=5)), digits.test, backdoor)
    assert tuned.asr > 0.999 and tuned.clean_accuracy > 0.96


def test_defences_that_cut_the_net_are_told_why_they_cannot(trojaned):
    model = trojaned.model
    assert model.input_shape == (1, 28, 28) and model.classes == 10
    with pytest.raises(TypeError, match=r"model must be a bdlab\.nets\.Net, got Trojaned; wrap its parts"):
        channels.split(model, "conv3")
    trunk, _ = channels.split(model.host, "conv3")  # who wants to prune the host can
    assert len(trunk) == 4


def test_it_saves_copies_and_moves(trojaned, digits, device):
    x = digits.test.x[:16]
    x = torch.cat((x, trojaned.trigger(x)))
    file = io.BytesIO()
    torch.save(trojaned.model.state_dict(), file)
    file.seek(0)
    other = copy.deepcopy(trojaned.model).to(device)
    with torch.no_grad():
        for weight in other.parameters():
            weight.zero_()
    assert not torch.allclose(logits(other, x), logits(trojaned.model, x))
    other.load_state_dict(torch.load(file, weights_only=True))
    assert torch.allclose(logits(other, x), logits(trojaned.model, x), atol=1e-3)
