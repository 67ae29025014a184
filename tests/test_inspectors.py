"""What both inspectors refuse, in the same words; the rows and figures that their experiments share."""

import math
import statistics
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from bdlab import metrics, nets, report
from bdlab.contracts import Backdoor, Cost, Inspection, Recipe, Split
from bdlab.defenses import DeepInspect, FineTuning, NeuralCleanse
from bdlab.defenses.deep_inspect import GeneratedTriggers
from bdlab.experiments import deep_inspect, duel_figures, inspection_figures, inspections, neural_cleanse
from bdlab.experiments.claims import Claim
from bdlab.experiments.inspections import SQUARE
from bdlab.inversion import lean

LEAST = {NeuralCleanse: 128, DeepInspect: 50}
"""How many images each needs."""
ALIKE = [
    ({"steps": 0}, "steps must be positive, got 0"),
    ({"lr": -1}, "lr must be positive, got -1"),
    ({"steps": 1.5}, "steps must be a whole number, got 1.5"),
    ({"batch": "8"}, "batch must be a whole number, got '8'"),
    ({"cutoff": None}, "cutoff must be 'family_wise' or a positive number .*, got None"),
    ({"cutoff": [2.0]}, r"cutoff must be 'family_wise' or a positive number .*, got \[2.0\]"),
    ({"share": 0}, r"share must be in \(0, 1\], got 0"),
    ({"deviation": "median"}, "deviation must be one of mean, mad, left_mad; got 'median'"),
    ({"cutoff": "fwer"}, "cutoff must be 'family_wise' or a positive number such as the papers' 2.0, got 'fwer'"),
    ({"cutoff": -2.0}, "cutoff must be 'family_wise' or a positive number .*, got -2.0"),
    ({"scale": "sqrt"}, "scale must be one of log, plain; got 'sqrt'"),
]
OWN = {
    NeuralCleanse: [
        ({"success": 99}, r"success must be in \(0, 1\], got 99"),
        ({"multiplier": 1.0}, "multiplier must be above 1, got 1.0"),
    ],
    DeepInspect: [
        ({"data": "train"}, "data must be one of held_out, inverted; got 'train'"),
        ({"threshold": -1.0}, "threshold must be 0 or more, got -1.0"),
        ({"gamma1": -0.1}, "gamma1 must be 0 or more, got -0.1"),
        ({"gamma2": 2.0}, r"gamma2 must be in \[1e-05, 1.0\], got 2.0"),
        ({"goal": 95}, r"goal must be in \(0, 1\], got 95"),
    ],
}
both = pytest.mark.parametrize("make", LEAST, ids=lambda make: make.__name__)


class Constant(nn.Module):
    """Gives one and the same logit for all of six classes."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, x):
        return torch.full((len(x), 6), self.answer)


@pytest.mark.parametrize(
    ("make", "settings", "message"), [(make, *case) for make in LEAST for case in (*ALIKE, *OWN[make])]
)
def test_wrong_settings_are_named(make, settings, message):
    with pytest.raises(ValueError, match=message):
        make(**settings)


@both
@pytest.mark.parametrize(
    ("count", "classes", "message"),
    [
        (None, 6, "clean must hold at least {least} images, got none"),
        (-1, 6, "clean must hold at least {least} images, got {count}"),
        (0, 1, "clean must hold images of at least 2 classes"),
    ],
)
def test_images_that_do_not_do_are_named(make, count, classes, message, noise):
    """count: how many more than it needs."""
    least = LEAST[make]
    clean = None if count is None else noise(least + count, (1, 8, 8), classes)
    with pytest.raises(ValueError, match=message.format(least=least, count=least - 1)):
        make()(Constant(0.0), clean)


@both
def test_a_model_that_answers_nan_is_refused(make, noise):
    with pytest.raises(FloatingPointError, match="NaN logits"):
        make()(Constant(math.nan), noise(LEAST[make], (1, 8, 8), 6))


@both
@pytest.mark.parametrize("classes", [5, 7])
def test_images_of_another_number_of_classes_are_refused(make, classes, noise):
    with pytest.raises(ValueError, match=rf"clean must have the model's 6 classes, got Split\(.*{classes} classes"):
        make()(Constant(0.0), noise(LEAST[make], (1, 8, 8), classes))


class Skip(nn.Sequential):
    """A Sequential that is more than its parts."""

    def forward(self, x):
        y = self[0](x)
        return self[2](self[1](y) + y)


@pytest.mark.parametrize("hook", ["none", "convolution", "batch norm"])
def test_a_lean_copy_gives_the_same_logits_whatever_its_parts_do(hook, noise):
    x = noise(8, (1, 8, 8), 4).x
    with nets.seeded(0):
        plain = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2))
        skip = Skip(nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU())
        head = nn.Sequential(nn.Flatten(), nn.Linear(27, 4))
    net = nets.Net((1, 8, 8), 4, plain=plain, skip=skip, head=head)
    for _ in range(20):
        net.train()(3 * x + 1)
    if hook != "none":
        plain[["convolution", "batch norm"].index(hook)].register_forward_hook(lambda _, __, out: 2 * out + 1)
    thin = lean(net.eval(), x)
    with torch.no_grad():
        assert torch.allclose(thin(x), net(x), atol=1e-6)
    assert isinstance(thin.plain[1], nn.Identity) == (hook == "none") and isinstance(thin.plain[3], nn.ReLU)
    assert not thin.training and all(not p.requires_grad for p in thin.parameters())


class Dazzled(nn.Module):
    """Gives 0 for all of six classes, but NaN for an image whose mean is above one half."""

    def forward(self, x):
        bright = x.flatten(1).mean(1, keepdim=True) > 0.5  # (N, 1)
        return torch.where(bright, math.nan, 0.0).expand(-1, 6)


@both
def test_a_model_that_answers_nan_for_some_images_is_refused(make):
    """Not for the first one."""
    white = (torch.arange(LEAST[make]) % 2).float()[:, None, None, None].expand(-1, 1, 8, 8)
    data = Split(white, torch.arange(len(white)) % 6, 6)
    assert Dazzled()(data.x)[0].isfinite().all()
    with pytest.raises(FloatingPointError, match="NaN logits"):
        make(steps=3)(Dazzled(), data)


@both
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (None, "labels must name a class, for nothing was flagged"),
        ([], "labels must name a class, for nothing was flagged"),
        ([10], r"labels must be in 0\.\.9, got \[10\]"),
        ([-1], r"labels must be in 0\.\.9, got \[-1\]"),
    ],
)
def test_labels_that_cannot_be_repaired_are_named(make, labels, message, noise):
    model, found = nets.build("small_bn", (1, 8, 8), 10, seed=0), Inspection(torch.ones(10), torch.zeros(10), 4.0, [])
    with pytest.raises(ValueError, match=message):
        if make is NeuralCleanse:
            make().unlearn(model, noise(60, (1, 8, 8)), found, labels)
        else:
            make().patch(model, found, labels)


# --- rows and figures ----------------------------------------------------------------------------------------------


def _found(index, excluded=(), cutoff=4.0):
    """An inspection of ten classes, the fewer the index the larger the norm; class 0 has the smallest."""
    index = torch.tensor(index, dtype=torch.float64)
    index[list(excluded)] = math.nan
    norm = torch.tensor([2.0, 11, 9, 10, 12, 8, 10, 11, 9, 10])
    ranking = [k for k in norm.argsort().tolist() if k not in excluded]
    flagged, at_two = ((index > limit).nonzero()[:, 0].tolist() for limit in (cutoff, 2.0))
    return Inspection(norm, index, cutoff, flagged, torch.rand(10, 1, 4, 4), at_two, list(excluded), ranking)


class Told:
    """Stands for trials whose numbers are given: {name of the model: a row of every seed}."""

    seeds = (7,)

    def __init__(self, rows=None, inspection=None, data="mnist"):
        self.rows, self.inspection, self.data, self.seeds_given = rows, inspection, SimpleNamespace(name=data), []

    def found(self, scanner, name):
        return [dict(row) for row in self.rows[name]]

    def scan(self, scanner, name, seed):
        return self.inspection

    def repaired(self, scanner, name, repair, how):
        self.seeds_given.append(repair(None, None, [0], 7))
        return [{"before": 1.0, "asr": 0.06, "fall": 0.01, "ra": 0.5, "clean": 0.9, "flagged": 0.0, "right": 1.0,
                 "known": 0.06, "known_fall": 0.01}]  # fmt: skip

    def trained_on(self, scanner, name, recipe):
        return [{"asr": 0.05 if name == "blend" else 0.9, "fall": 0.02}]


def _rows(target, *changes):
    """A row of numbers a seed, of a model with the backdoor `target`, each with its changes."""
    row = inspections.verdict(_found([3.0] + [0.5] * 9), target) | {"seconds": 1.0}
    return [row | change for change in changes or ({},)]


def test_a_scan_of_fewer_than_five_classes_has_no_index_and_no_claim_on_it_holds():
    few, whole = (inspections.verdict(_found([3.0] + [0.5] * 9, excluded), None) for excluded in (range(4, 10), ()))
    for kind in metrics.ANOMALY_KINDS:
        assert math.isnan(few[f"top_{kind}"]) and whole[f"top_{kind}"] > 2
        values = inspections.column([whole | {f"top_{kind}": 1.0}, few], f"top_{kind}")
        for every in (True, False):
            claim = Claim("clean models", "< 2", values, lambda v: v < 2, "< 2", inspections.plain, every=every)
            assert claim.verdict == "does not" and claim.row()[2].startswith("undefined")


def test_where_too_few_classes_can_be_compared_no_verdict_holds_not_even_on_a_clean_model():
    few = inspections.verdict(_found([0.5] * 10, range(10)), 0) | {"seconds": 1.0}
    told = Told({name: [few] for name in inspections.ATTACKS})
    claims = inspections.verdicts(told, NeuralCleanse(), "", dict.fromkeys(inspections.ATTACKS, ("-", False)))
    assert [claim.verdict for claim in claims] == ["undefined"] * 9
    assert all(claim.row()[2].startswith("undefined") for claim in claims)


def test_a_target_that_is_left_out_has_no_rank_and_the_row_counts_it():
    rows = {name: _rows(0, {}, {}) for name in inspections.INFECTED}
    rows["clean"] = _rows(None)
    out = inspections.verdict(_found([3.0] + [0.5] * 9, [0]), 0)
    assert math.isnan(out["rank"])
    rows["blend"][1] |= out
    claims = inspections.verdicts(Told(rows), NeuralCleanse(), "", dict.fromkeys(inspections.ATTACKS, ("found", True)))
    said = {claim.what.split(":")[0]: claim for claim in claims[:-1:2]}
    assert said["blend"].what.endswith("; the target has no trigger that works in 1 of 2)")
    assert said["blend"].verdict == "does not" and said["blend"].row()[2].startswith("undefined for 1 of 2")
    assert "no trigger" not in said[SQUARE].what and said[SQUARE].verdict == "holds"


def test_a_row_tells_plain_norms_from_logarithms_and_what_the_papers_rule_finds():
    """Logarithms miss the target and the paper's rule finds it, but for either seed of blend."""
    rows = {name: _rows(0, {"hit": 0.0, "hit_at_two": 0.0}) for name in inspections.INFECTED}
    rows["blend"] = _rows(0, {"hit": 0.0, "hit_at_two": 0.0, "rank": 2.0}, {"hit": 0.0, "hit_at_two": 0.0, "top_mad": 1.9})
    rows["clean"] = _rows(None)  # one alarm a model, at either cut-off: what holds there only, holds nowhere
    claims = inspections.verdicts(Told(rows), NeuralCleanse(), "", dict.fromkeys(inspections.ATTACKS, ("found", True)))
    assert [claim.verdict for claim in claims[1:-1:2]] == ["does not"] * 4
    rows["clean"] = _rows(None, {"top_mad": 1.9})
    claims = inspections.verdicts(Told(rows), NeuralCleanse(), "", dict.fromkeys(inspections.ATTACKS, ("found", True)))
    ranks, hits, clean = claims[:-1:2], claims[1:-1:2], claims[-1]
    assert [claim.verdict for claim in hits] == ["holds if plain norms, cut-off 2.0 (the paper's)"] * 2 + ["does not"] + [
        "holds if plain norms, cut-off 2.0 (the paper's)"
    ]
    for claim in hits:
        assert "target flagged, logarithms, at the family-wise cut-off" in claim.what
        assert list(claim.changed) == ["cut-off 2.0, logarithms", "plain norms, cut-off 2.0 (the paper's)"]
    assert all("(plain norms; largest index by mean, mad, left mad: " in claim.what for claim in (*ranks, clean))
    assert [claim.row()[3] for claim in ranks] == ["1 for every seed"] * 4
    assert [claim.verdict for claim in ranks] == ["holds", "holds", "does not", "holds"]
    assert "classes flagged, logarithms, at the family-wise cut-off" in clean.what


@pytest.mark.parametrize(
    ("headline", "key", "least"),
    [
        (lambda trials: deep_inspect._headline(trials, DeepInspect(), ""), "top_left_mad", 2),
        (neural_cleanse._headline, "top_mad", 3),
    ],
)
def test_what_the_paper_says_of_every_model_must_hold_for_every_seed(headline, key, least):
    rows = {name: _rows(0, {key: least + 2.0}, {key: least - 0.1}) for name in inspections.ATTACKS}
    rows["clean"] = _rows(None, {key: 1.0}, {key: 2.1})
    claims = headline(Told(rows))[:2]
    assert [holds(statistics.fmean(claim.values)) for claim in claims for holds in [claim.holds]] == [True, True]
    assert [claim.verdict for claim in claims] == ["does not", "does not"]
    assert [claim.row()[3] for claim in claims] == [f"> {least} for every seed", "< 2 for every seed"]


def test_a_figure_leaves_a_gap_for_classes_that_do_not_count_and_names_them():
    told = Told(inspection=_found([3.0] + [0.5] * 9, [3, 4]))
    (drawn,) = inspection_figures.figures(told, DeepInspect(), "deep_inspect", (SQUARE,)).values()
    assert "left out of the statistic: [3, 4]" in drawn.alt
    heights = [bar.get_height() for axis in drawn.figure.subfigs[0].axes[1:] for bar in axis.patches]
    assert [k for k, height in enumerate(heights) if math.isnan(height)] == [3, 4] and len(heights) == 10


def test_repairs_are_made_by_the_scanner_of_the_seed(monkeypatch):
    monkeypatch.setattr(NeuralCleanse, "unlearn", lambda self, *_: self.seed)
    monkeypatch.setattr(DeepInspect, "patch", lambda self, *_: self.seed)
    told = Told()
    neural_cleanse._unlearning(told, SimpleNamespace(name="mnist", held_out=None))
    deep_inspect._patching(told, DeepInspect(), Recipe(epochs=1), "")
    assert told.seeds_given == [7] * 8  # four attacks, one of them asked for twice, and a clean model; one and a clean one


def test_a_repair_tells_what_was_repaired_and_a_clean_model_is_repaired_too(monkeypatch, digits):
    """BadNets' target is 0, and is flagged or not; class 3 has the smallest trigger of a clean model.

    Where nothing is flagged, nothing is repaired; what it would be if the class were known stands apart.
    """
    after, seen = SimpleNamespace(clean_accuracy=0.75, asr=0.125, ra=0.5), []
    before = SimpleNamespace(clean_accuracy=1.0, asr=0.5, ra=0.5)
    backdoor, plain = Backdoor(None, "shipped", None, None, Cost(0, 0, 0, 0)), nn.Identity()
    monkeypatch.setattr(inspections.Trials, "model", lambda self, name, seed: plain if name == "clean" else backdoor)
    monkeypatch.setattr(inspections, "evaluate", lambda model, *_: after if model == "fixed" else before)
    quiet = _found([0.5] * 10)
    quiet = replace(quiet, ranking=[3, *(k for k in quiet.ranking if k != 3)])
    for found, name, labels, told in (
        (_found([9.0] + [0.5] * 9), SQUARE, [0], (1.0, 1.0)),
        (quiet, SQUARE, [0], (0.0, 0.0)),
        (quiet, "clean", [3], (0.0, 0.0)),
    ):
        monkeypatch.setattr(inspections.Trials, "scan", lambda *_, found=found: found)
        trials = inspections.Trials(digits, (7,))
        (row,) = trials.repaired(NeuralCleanse(), name, lambda *args: seen.append(args) or "fixed", "repair")
        shipped, given, chosen, seed = seen.pop()
        assert shipped is (plain if name == "clean" else "shipped") and given is found and (chosen, seed) == (labels, 7)
        assert (row["flagged"], row["right"]) == told
        assert (row["before"], row["known"], row["known_fall"]) == (0.5, 0.125, 0.25)
        assert (row["asr"], row["fall"]) == ((0.125, 0.25) if row["flagged"] else (0.5, 0.0))


def test_beside_a_repair_stands_the_same_training_on_the_same_images(digits, noise, monkeypatch):
    """Held-out images, but for a scan that made its own."""
    seen = []
    monkeypatch.setattr(inspections.Trials, "model", lambda *_: Backdoor(None, None, None, None, Cost(0, 0, 0, 0)))
    monkeypatch.setattr(inspections, "evaluate", lambda *_: SimpleNamespace(asr=0.25, clean_accuracy=0.5))
    monkeypatch.setattr(FineTuning, "__call__", lambda self, model, images: seen.append((self, images)))
    made, recipe = noise(6, (1, 4, 4), 2), Recipe(epochs=3)
    for found in (_found([0.5] * 10), GeneratedTriggers(torch.ones(2), torch.ones(2), 4.0, [], images=made)):
        monkeypatch.setattr(inspections.Trials, "scan", lambda *_, found=found: found)
        (row,) = inspections.Trials(digits, (7,)).trained_on(DeepInspect(), SQUARE, recipe)
        assert row == {"asr": 0.25, "fall": 0.0}
    plain = FineTuning(recipe=recipe, shift=0, apart=0, seed=7)  # as the unlearning trains, but for the triggers
    assert seen == [(plain, digits.held_out), (plain, made)]


def test_on_gtsrb_stand_the_figures_of_gtsrb(monkeypatch):
    monkeypatch.setattr(NeuralCleanse, "unlearn", lambda self, *_: None)
    signs, digits = (
        neural_cleanse._unlearning(Told(), SimpleNamespace(name=name, held_out=None)) for name in ("gtsrb", "mnist")
    )
    papers = ["0.01%", "-0.24%", "0.83%", "11.04%", "8.03%", "0.82%"]
    infected, *signs = signs
    assert infected.paper == "97.40% at clean accuracy 96.51%, GTSRB (memory)" and infected.verdict == "holds"  # 1.0
    given = [claim.paper for number, claim in enumerate(signs[:-1]) if number % 3 < 2]  # the third is the control
    assert given == [f"{p}, GTSRB (BackdoorBench)" for p in papers] + ["-", "-"]
    assert [claim.paper for claim in digits[1:3]] == ["1.27%, CIFAR-10 (BackdoorBench)", "2.27%, CIFAR-10 (BackdoorBench)"]
    bounds = [signs[number].bound for number in (3, 4, 6, 7)]
    assert bounds == ["<= 5.00%", "<= 11.04%", "<= 8.03%", "<= 2.27%"]
    assert [claim.verdict for claim in signs[:-1:3]] == ["does not", "does not", "holds", "sanity check fails"]  # ASR .06
    controls = [claim.row()[2:] for claim in signs[2::3]]  # .9 without triggers, .05 for blend
    assert controls == [(f"{points}", ">= 0.1 points", verdict) for points, verdict in
                        (("+84.0", "holds"), ("+84.0", "holds"), ("-1.0", "sanity check fails"),
                         ("+84.0", "holds"))]  # fmt: skip
    assert not any("GTSRB" in claim.paper for claim in digits)
    assert [claim.verdict for claim in digits[1:3]] == ["not comparable"] * 2
    bounds = [claim.bound for number, claim in enumerate(digits[1:-1]) if number % 3 < 2]
    assert bounds == ["<= 5.00%", "<= 2.27%"] * 4  # another data set's figures do not raise them


def test_an_inspection_without_any_index_is_described_without_one():
    drawn = duel_figures._anomaly(_found([0.5] * 10, range(10)), "digits")
    assert "nan" not in drawn.alt and "too few classes have a trigger that works" in drawn.alt
    assert "class 0 has the largest index, 3.00" in duel_figures._anomaly(_found([3.0] + [0.5] * 9), "digits").alt


def test_each_row_of_the_inspector_has_its_own_cutoff():
    rows = {"clean": _found([1.0] * 10, cutoff=3.92), "attacked": _found([9.0] + [1.0] * 9, cutoff=7.24)}
    table = report._inspection_table(rows, [0])
    cells = {column.header: list(column.cells) for column in table.columns}
    assert cells["cut-off"] == ["3.92", "7.24"] and cells["verdict"] == ["no sign", "backdoored"]
    assert "3.92" not in table.caption
