"""RBD-R against a slow loop; on clean models, where it may not fire more often than it was told; on three backdoors.

small_bn on digits, default settings, seeds 100, 101, 102; mean (range).  AUROC: badnets .9998 (.9996 to 1), blend 1,
source-specific .987 (.979 to .996), clean twin under badnets' trigger .514 (.499 to .538).  At a nominal 5 % clean images
refused .043 (.035 to .050) and source-specific ones accepted .045 (.021 to .058).
"""

import copy
import math
import warnings
from dataclasses import replace

import pytest
import torch
from rates import holds_its_rate
from torch import nn

from bdlab import metrics, nets
from bdlab.attacks import BadNets
from bdlab.contracts import Backdoor, Cost, Split
from bdlab.defenses.rbd import FittedRbd, Rbd, distil
from bdlab.defenses.strip import Strip
from bdlab.experiments import guarding, rbd, trials
from bdlab.experiments.guarding import Case, auroc, judged
from bdlab.registry import registered
from bdlab.training import Scores, logits, suspicions, triggered

pytestmark = pytest.mark.filterwarnings("ignore:the shadow still knows")
QUICK = Rbd(steps=4, lr=1e-3, stop=0.21)
"""Four steps: for what needs no good shadow."""


@pytest.fixture(scope="module")
def toy():
    """A small net whose batch norms have seen data, and 120 random images of five classes for it."""
    net = nets.build("small_bn", (1, 8, 8), 5, seed=1)
    x = torch.rand(120, 1, 8, 8, generator=torch.Generator().manual_seed(2))
    net.train()(x)
    return net.eval(), Split(x, torch.arange(120) % 5, 5)


@pytest.fixture(scope="module")
def guarded(attempted, digits):
    """RBD-R with its default settings on the source-specific backdoor, which STRIP misses."""
    return Rbd(seed=100).fit(attempted("source_specific").backdoor.model, digits.held_out, digits.calibration)


@pytest.fixture(scope="module")
def guarded_twin(clean_model, digits):
    return Rbd(seed=100).fit(clean_model, digits.held_out, digits.calibration)


def _maps(net, x):
    return net.conv3(net.conv2(net.conv1(net.normalize(x))))


def _oracle(model, x, *, lesson, weight, lr, steps, batch, seed):
    """The shadow, image by image, by its formula: KL(goal || answer) + weight * share of activation."""
    shadow, generator, orders = copy.deepcopy(model), torch.Generator().manual_seed(seed), []
    while len(orders) < steps:
        orders += [rows for rows in torch.randperm(len(x), generator=generator).split(batch) if len(rows) == batch]
    optimiser = torch.optim.Adam(shadow.parameters(), lr)
    for rows in orders[:steps]:
        losses = []
        for row in rows.tolist():
            with torch.no_grad():
                z, before = model(x[row][None])[0], (_maps(model, x[row][None]) ** 2).sum()
            goal = {
                "uniform": torch.full_like(z, 1 / len(z)),
                "reverse": (-z / 2).softmax(0),
                "shift": torch.eye(len(z))[(int(z.argmax()) + 1) % len(z)],
            }[lesson]
            p = shadow(x[row][None])[0].softmax(0)
            kl = sum(q * (q / r).log() for q, r in zip(goal, p, strict=True) if q > 0)
            losses.append(kl + weight * (_maps(shadow, x[row][None]) ** 2).sum() / (before + 1e-6))
        optimiser.zero_grad()
        torch.stack(losses).mean().backward()
        optimiser.step()
    return shadow


@pytest.mark.parametrize("lesson", ["uniform", "reverse", "shift"])
def test_the_shadow_against_a_loop(lesson, toy):
    model, data = copy.deepcopy(toy[0]).double(), toy[1]
    model.normalize = nn.Sequential(model.normalize)  # a module of its own, so that nothing is shared with the toy
    settings = dict(lesson=lesson, weight=3.0, lr=1e-3, steps=3, batch=16, seed=4)
    mine = distil(Rbd(stop=0.21, **settings), model, data.x.double()[:40], "conv3")
    theirs = _oracle(model, data.x.double()[:40], **settings)
    for (name, got), want in zip(mine.named_parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(got, want, atol=1e-8), name
    assert not torch.allclose(mine.head[1].weight, model.head[1].weight, atol=1e-4)


def test_what_works_in_place_behind_the_stage_leaves_the_shadow_as_it_is(noise):
    """The size of the stage's output is what it puts out, not what the next stage makes of it."""

    def net(in_place):
        with nets.seeded(0):
            stage = nn.Sequential(nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6))
            head = nn.Sequential(nn.Flatten(), nn.Linear(216, 5))
        return nets.Net((1, 8, 8), 5, conv=stage, act=nn.ReLU(inplace=in_place), head=head).eval()

    x, settings = noise(48, (1, 8, 8), 5).x, Rbd(stop=0.21, steps=3, batch=16, weight=3.0, lr=1e-2)
    one, two = (distil(settings, net(in_place), x, "conv").state_dict() for in_place in (True, False))
    assert all(torch.equal(one[name], value) for name, value in two.items())
    assert not torch.equal(two["conv.0.weight"], net(False).conv[0].weight)


def test_scores_against_a_loop(toy, device):
    model, data = copy.deepcopy(toy[0]).to(device), toy[1]
    fitted = QUICK.fit(model, data[:60], data[60:])
    active = replace(QUICK, by="activation").fit(model, data[:60], data[60:])
    tolerance = 1e-5 if device.type == "cpu" else 1e-3
    scores, shares = fitted.score(data.x), active.score(data.x)
    assert scores.device.type == "cpu" and scores.shape == (120,) and scores.std() > 0 and shares.std() > 0
    for row in range(0, 120, 7):
        with torch.inference_mode():
            x = data.x[row : row + 1].to(device)
            answer = int(model(x).argmax())
            seen, was = (_maps(net, x).square().sum().sqrt() for net in (active.shadow, model))
            assert scores[row].item() == pytest.approx(fitted.shadow(x).softmax(1)[0, answer].item(), abs=tolerance)
            assert shares[row].item() == pytest.approx((seen / was).item(), abs=tolerance)
    assert torch.allclose(fitted.calibration, scores[60:], atol=tolerance)


@pytest.mark.parametrize("by", ["confidence", "activation"])
def test_an_input_costs_one_pass_of_each_network(by, toy):
    """Two passes where STRIP makes a hundred."""
    model, data = copy.deepcopy(toy[0]), toy[1]
    fitted = replace(QUICK, by=by).fit(model, data[:60], data[60:])
    strip, passes = Strip(early_stopping=False).fit(model, Split(*_twice(data), 5), data), []
    for net in (model, fitted.shadow):
        net.conv1.register_forward_pre_hook(lambda module, inputs: passes.append(len(inputs[0])))
    fitted.score(data.x[:50])
    assert passes == [50, 50]
    passes.clear()
    strip.score(data.x[:50])
    assert sum(passes) == 100 * 50
    seen = data.x[:50]
    assert 1 - guarding.passes(fitted, (model, fitted.shadow), seen) / guarding.passes(strip, (model,), seen) >= 0.97


def _twice(data):
    return torch.cat((data.x, data.x)), torch.cat((data.y, data.y))


@pytest.mark.parametrize("training", [False, True])
def test_the_model_is_left_as_it_was(training, toy):
    model, data = copy.deepcopy(toy[0]).train(training), toy[1]
    model.conv2.eval()
    next(model.parameters()).requires_grad_(False)
    modes, state = [m.training for m in model.modules()], copy.deepcopy(model.state_dict())
    x = data.x.clone()
    fitted = QUICK.fit(model, data[:60], data[60:])
    fitted.score(data.x), fitted.flag(data.x, 0.1)
    assert [m.training for m in model.modules()] == modes and torch.equal(data.x, x)
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    assert not next(model.parameters()).requires_grad
    judged = QUICK.fit(toy[0], data[:60], data[60:])  # the same model in eval mode
    assert torch.equal(fitted.score(x), judged.score(x))


def test_the_shadow_keeps_the_statistics_of_its_batch_norms(toy):
    model, data = toy
    own = dict(model.named_buffers())
    shadow = QUICK.fit(model, data[:60], data[60:]).shadow
    assert not any(m.training for m in shadow.modules())
    assert all(torch.equal(value, own[name]) for name, value in shadow.named_buffers())
    changed = {name for name, p in shadow.named_parameters() if not torch.equal(p, model.get_parameter(name))}
    assert changed == {name for name, _ in model.named_parameters()}  # the affine ones of the norms too
    train = replace(QUICK, batch_norm="train").fit(model, data[:60], data[60:]).shadow
    assert not torch.equal(train.conv1[1].running_mean, model.conv1[1].running_mean)
    assert not any(m.training for m in train.modules())


def test_what_the_shadow_depends_on(toy, global_rng_untouched):
    """The images and the seed; neither their labels nor the calibration images."""
    model, data = toy
    first = QUICK.fit(model, data[:60], data[60:])
    mixed = Split(data.x[:60], data.y[:60].flip(0), 5)
    for same in (QUICK.fit(model, mixed, data[60:]), QUICK.fit(model, data[:60], data[60:80])):
        assert all(torch.equal(a, b) for a, b in zip(same.shadow.parameters(), first.shadow.parameters(), strict=True))
    other = (
        replace(QUICK, batch=16, seed=1).fit(model, data[:60], data[60:]),
        replace(QUICK, batch=16).fit(model, data[:60]),
    )
    assert not torch.equal(other[0].shadow.head[1].weight, other[1].shadow.head[1].weight)


def test_without_calibration_images_half_of_the_sources_calibrate(toy):
    model, data = toy
    related = Split(data.x, data.y, 5, torch.arange(120) // 4)  # 30 scans, four images of each
    fitted = replace(QUICK, seed=6).fit(model, related)
    first, second = related.halves(6)
    assert not set(first.source.tolist()) & set(second.source.tolist())
    same = replace(QUICK, seed=6).fit(model, first, second)
    assert torch.equal(fitted.calibration, same.calibration) and len(fitted.calibration) == len(second)


def test_equal_scores_are_not_above_their_threshold(toy):
    """Where the shadow answers every clean image alike, nothing clean is refused."""
    model, data = toy
    fitted = QUICK.fit(model, data[:60], data[60:])
    with torch.no_grad():
        fitted.shadow.head[1].weight.zero_(), fitted.shadow.head[1].bias.zero_()
    flat = replace(fitted, calibration=fitted.score(data.x[60:]))
    assert flat.threshold(0.1) == pytest.approx(0.2) and not flat.flag(data.x, 0.1).any()


def test_more_false_alarms_allowed_lower_threshold(toy):
    model, data = toy
    fitted = QUICK.fit(model, data[:60], data[60:])
    thresholds = [fitted.threshold(fpr) for fpr in (0.02, 0.05, 0.1, 0.2, 0.5)]
    assert thresholds == sorted(thresholds, reverse=True) and len(set(thresholds)) == 5
    assert torch.equal(fitted.flag(data.x, 0.1), fitted.score(data.x) > fitted.threshold(0.1))
    for fpr in (0.02, 0.05, 0.1, 0.5):
        assert fitted.flag(data.x[60:], fpr).double().mean() <= fpr  # of the calibration images themselves


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"by": "entropy"}, "by must be one of confidence, activation; got 'entropy'"),
        ({"lesson": "random"}, "lesson must be one of uniform, reverse, shift; got 'random'"),
        ({"batch_norm": "eval"}, "batch_norm must be one of frozen, train; got 'eval'"),
        ({"without_batch_norm": True}, "without_batch_norm must be one of refuse, allow; got True"),
        ({"lr": 0.0}, "lr must be positive, got 0.0"),
        ({"batch": 0}, "batch must be positive, got 0"),
        ({"steps": -1}, "steps must be positive, got -1"),
        ({"weight": -1.0}, "weight must be at least 0, got -1.0"),
        ({"weight": float("nan")}, "weight must be at least 0, got nan"),
        ({"stop": 1.5}, r"stop must be in \(0, 1\], got 1.5"),
    ],
)
def test_settings_that_make_no_sense(settings, message):
    with pytest.raises(ValueError, match=message):
        Rbd(**settings)


def test_what_it_cannot_work_with(toy):
    model, data = toy
    clean, calibration = data[:60], data[60:]
    with pytest.raises(ValueError, match=r"clean must hold at least 20 images, got 19; give more"):
        QUICK.fit(model, data[:19], calibration)
    with pytest.raises(ValueError, match="clean must hold at least 20 images, got none"):
        QUICK.fit(model, None, calibration)
    with pytest.raises(ValueError, match=r"clean must hold at least 20 images, got (1\d)"):
        QUICK.fit(model, data[:30])  # half of it calibrates
    with pytest.raises(ValueError, match="clean must hold at least 1 images, got 0"):
        QUICK.fit(model, clean, data[:0])
    with pytest.raises(ValueError, match=r"images of at least 2 classes, got \[3\]; draw them from all classes"):
        QUICK.fit(model, data[data.y == 3], calibration)
    with pytest.raises(ValueError, match=r"stop must exceed chance, 1/5, got 0.2; raise it"):
        replace(QUICK, stop=0.2).fit(model, clean, calibration)
    with pytest.raises(ValueError, match=r"layer must be one of normalize, conv1, conv2, conv3, head; got 'conv9'"):
        replace(QUICK, layer="conv9").fit(model, clean, calibration)
    with pytest.raises(TypeError, match=r"model must be a bdlab.nets.Net, got Sequential"):
        QUICK.fit(nn.Sequential(*model.children()), clean, calibration)
    with pytest.raises(ValueError, match=r"fpr 0.01 needs at least 99 calibration images, got 60"):
        QUICK.fit(model, clean, calibration).threshold(0.01)
    with pytest.raises(ValueError, match=r"x must lie in \[0, 1\]"):
        QUICK.fit(model, clean, calibration).score(data.x * 2)


@pytest.mark.parametrize("by", ["confidence", "activation"])
def test_no_inputs_get_no_answers(by, toy):
    model, data = toy
    fitted = replace(QUICK, by=by).fit(model, data[:60], data[60:])
    assert fitted.score(data.x[:0]).shape == fitted.flag(data.x[:0], 0.1).shape == (0,)


@pytest.mark.parametrize(("classes", "chance"), [(2, "1/2"), (4, "1/4")])
def test_the_default_stop_needs_more_than_four_classes(classes, chance, toy):
    data = Split(toy[1].x, torch.arange(120) % classes, classes)
    model = nets.build("small_bn", (1, 8, 8), classes, seed=1)
    with pytest.raises(ValueError, match=f"stop must exceed chance, {chance}, got 0.25; raise it"):
        Rbd().fit(model, data[:60], data[60:])


def test_a_tie_with_strip_is_not_better_and_one_seed_off_its_rate_is_off(digits):
    row = {"asr": 1.0, "clean images": 400, "bad images": 400}
    row |= {f"{guard} {key}": v for guard in ("RBD-R", "STRIP") for key, v in (("auroc", 1.0), ("fpr", 0.05), ("tpr", 1.0))}
    allowed = metrics.realised_rate_interval(rbd.FPR, 400, 400)
    verdicts = [claim.verdict for claim in rbd._detected(digits, allowed, "blend", [row])]
    assert verdicts == ["holds", "does not", "holds", "holds"]
    other = [row | {"RBD-R fpr": 0.0}, row | {"RBD-R fpr": 0.1}]  # on average 5 %
    assert rbd._detected(digits, allowed, "blend", other)[3].verdict == "sanity check fails"


def test_a_model_without_batch_norm_is_refused():
    net = nets.build("badnets_cnn", (1, 8, 8), 5)
    data = Split(torch.rand(60, 1, 8, 8, generator=torch.Generator().manual_seed(0)), torch.arange(60) % 5, 5)
    with pytest.raises(ValueError, match=r"model must have batch norm, got a Net without.*without_batch_norm='allow'"):
        QUICK.fit(net, data, data)
    assert replace(QUICK, without_batch_norm="allow").fit(net, data, data).score(data.x).isfinite().all()


def test_a_model_that_has_diverged(toy):
    model, data = copy.deepcopy(toy[0]), toy[1]
    with torch.no_grad():
        model.conv1[0].weight[0] = float("nan")
    with pytest.raises(FloatingPointError, match="the model gives NaN logits for 60 of 60 images"):
        QUICK.fit(model, data[:60], data[60:])
    for by in ("confidence", "activation"):
        fitted = replace(QUICK, by=by).fit(toy[0], data[:60], data[60:])
        with torch.no_grad():
            fitted.shadow.conv3[0].weight[:] = math.inf
        with pytest.raises(FloatingPointError, match="NaN"):
            fitted.score(data.x)
    with pytest.raises(FloatingPointError, match=r"the shadow's loss became (nan|inf); lower lr, now 1e\+30"):
        replace(QUICK, lr=1e30, steps=40, stop=0.21).fit(toy[0], data[:60], data[60:])


def test_a_shadow_that_still_knows_too_much_is_told(guarded, digits):
    with pytest.warns(
        UserWarning, match=r"the shadow still knows \d+\.\d% of the clean images after 2 steps, more than"
    ):
        replace(guarded.rbd, steps=2).fit(guarded.model, digits.held_out[:200], digits.calibration)


def test_the_shadow_has_forgotten_the_clean_images(guarded, guarded_twin, digits):
    for fitted in (guarded, guarded_twin):
        known = logits(fitted.model, digits.held_out.x).argmax(1)
        answers = logits(fitted.shadow, digits.held_out.x).argmax(1)
        assert metrics.accuracy(answers, known) <= fitted.rbd.stop
        assert metrics.accuracy(answers, digits.held_out.y) <= fitted.rbd.stop + 0.02  # the model errs on 3 %


def _holds_its_rate(fitted, data):
    holds_its_rate(fitted, data.calibration, data.test, 0.05, 0.1)
    assert len(fitted.calibration.unique()) > 0.9 * len(fitted.calibration)  # ties would lower the rate


def test_it_fires_as_often_as_it_was_told(guarded, guarded_twin, digits):
    _holds_its_rate(guarded_twin, digits)
    _holds_its_rate(guarded, digits)


def _area(fitted, backdoor, split):
    """AUROC over all marked images whose label the attacker wants changed, whether they fool the model or not."""
    marked, wanted = triggered(split, backdoor.trigger, backdoor.relabel)
    return metrics.auroc(fitted.score(split.x), fitted.score(marked[wanted != split.y]))


def test_a_clean_model_has_nothing_to_be_found(guarded_twin, badnets, digits):
    assert 0.4 < _area(guarded_twin, badnets, digits.test) < 0.6


def test_it_finds_the_source_specific_backdoor_that_strip_misses(guarded, attempted, digits):
    backdoor = attempted("source_specific").backdoor
    found = suspicions(guarded, backdoor.model, digits.test, backdoor)
    assert len(found.bad) > 130
    assert metrics.auroc(found.clean, found.bad) > 0.95
    assert metrics.frr_far(found.clean, found.bad, guarded.threshold(0.05))[1] < 0.15


@pytest.fixture
def failed(toy):
    """A case that no triggered image fools, and RBD-R for it whose shadow is the model itself."""
    model, data = toy
    backdoor = Backdoor(model, model, BadNets().trigger, BadNets().relabel, Cost(0, 0, 0, 0))
    case = Case(model, backdoor, data.x[:30], data.x[:0])
    return case, FittedRbd(Rbd(), model, model, "conv3", torch.linspace(0, 1, 60))


def test_where_nothing_fools_the_model_there_is_no_area_and_nothing_holds(failed, digits, monkeypatch):
    case, fitted = failed
    assert judged(fitted, case) == {"auroc": None, "fpr": judged(fitted, case)["fpr"], "tpr": None}
    assert auroc(fitted, case) is None
    row = {"asr": 0.0, "clean images": 30, "bad images": 0} | {
        f"{guard} {key}": v for guard in ("RBD-R", "STRIP") for key, v in judged(fitted, case).items()
    }
    assert {claim.verdict for claim in rbd._detected(digits, (0.0, 1.0), "blend", [row])[:3]} == {"undefined"}
    tried = rbd.Trials(digits, (0,))
    monkeypatch.setattr(rbd.Trials, "case", lambda *_: case)
    monkeypatch.setattr(rbd.Trials, "guard", lambda *_: fitted)
    histogram, maps = rbd._figures(tried).values()
    assert "0 triggered images of digits: none fools it" in histogram.alt and "triggered: none fools it" in maps.alt


def test_one_clean_model_is_shown_every_trigger_and_guarded_once(digits, monkeypatch):
    trained, fitted = [], []
    monkeypatch.setattr(trials, "fit", lambda net, *_, seed: trained.append(seed) or net)
    monkeypatch.setattr(Strip, "fit", lambda self, *_: fitted.append(self) or object())
    tried = rbd.Trials(digits, (5,))
    cases = {name: tried.case(control, 5) for control, name in rbd.CONTROLS.items()}
    assert set(cases) == set(rbd.ATTACKS) and trained == [5] and len({case.model for case in cases.values()}) == 1
    for name, case in cases.items():
        assert case.backdoor.trigger == rbd.ATTACKS[name]().at_test() and len(case.bad) > 100
    assert len({tried.guard(Strip(), case) for case in cases.values()}) == len(fitted) == 1


def test_a_default_shadow_that_still_knows_is_told_and_another_setting_is_not(failed, digits, monkeypatch):
    case, fitted = failed
    case = replace(case, bad=case.clean)

    def guard(_, detector, __):
        if isinstance(detector, Rbd):
            warnings.warn(f"the shadow still knows, weight {detector.weight}, {detector.batch_norm}", stacklevel=2)
        return fitted

    monkeypatch.setattr(rbd.Trials, "case", lambda *_: case)
    monkeypatch.setattr(rbd.Trials, "guard", guard)
    monkeypatch.setattr(rbd, "evaluate", lambda *_: Scores(1.0, 1.0, 0.0, None, 30, 30, 30))
    monkeypatch.setattr(rbd, "_by_activation", lambda fitted, _: fitted)
    with pytest.warns(UserWarning) as told:
        row = rbd.Trials(digits, (0,))._row("source-specific", 0)
    assert [str(one.message) for one in told] == ["the shadow still knows, weight 100.0, frozen"]
    assert set(rbd.OTHERS) <= set(row)


@pytest.mark.slow
def test_the_bounds_hold_for_another_seed(fresh, twin_of, digits):
    """Three seeds: `bdlab reproduce rbd --data digits`."""
    seed = 101

    def guard(model):
        return Rbd(seed=seed).fit(model, digits.held_out, digits.calibration)

    for name in ("badnets", "blend", "source_specific"):
        backdoor = registered("attack")[name].make(seed=seed)(fresh(digits, seed), digits.train)
        found = suspicions(guard(backdoor.model), backdoor.model, digits.test, backdoor)
        assert metrics.auroc(found.clean, found.bad) > (0.95 if name == "source_specific" else 0.99)
        if name == "badnets":
            twin = guard(twin_of("digits", seed))
            assert 0.4 < _area(twin, backdoor, digits.test) < 0.6
            _holds_its_rate(twin, digits)


def test_calibration_images_come_from_enough_sources_for_the_rate():
    """As in GTSRB, where thirty neighbours are pictures of one sign: the first 400 are of 14 signs, too few for 5 %."""
    tracks = Split(torch.zeros(2400, 1, 2, 2), torch.zeros(2400).long(), 2, torch.arange(2400) // 30, "tracks")
    assert tracks[: rbd.IMAGES].sources == 14
    some = rbd.some(tracks)
    assert len(some) == rbd.IMAGES and some.sources == 80
    single = Split(tracks.x, tracks.y, 2, torch.arange(2400), "single")
    assert torch.equal(rbd.some(single).source, torch.arange(rbd.IMAGES))


def test_too_few_images_end_the_experiment_before_its_trials(digits, monkeypatch):
    monkeypatch.setattr(rbd.Trials, "rows", lambda *_: pytest.fail("a trial was begun"))
    with pytest.raises(ValueError, match=r"no interval for fpr 0\.05 with 10 calibration"):
        rbd.reproduce(replace(digits, calibration=digits.calibration[:10]), (0,))
