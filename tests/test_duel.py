"""One attack against one defence of each family: what is defended, what is told, what is drawn."""

import copy
from dataclasses import dataclass, replace

import pytest
import torch

from bdlab import BadNets, nets, report
from bdlab.attacks import Blind, PruningAware, SignatureBackdoor, Trojaning, TrojanNet
from bdlab.contracts import Backdoor, Cost, Inspection, Inspector, Recipe, Repaired, Sanitizer, Split
from bdlab.defenses import DeepInspect, FinePruning, FineTuning, LinfPruning, Pruning, Rbd
from bdlab.experiments import duel as duels
from bdlab.experiments.duel import DoesNotApply, duel, targets
from bdlab.experiments.duel_figures import _one_per_class, pictures
from bdlab.relabel import all_to_all, all_to_one
from bdlab.training import DEFAULT_RECIPE, evaluate

ATTACK = BadNets(relabel=all_to_one(3), recipe=Recipe(epochs=1))


@dataclass(frozen=True, kw_only=True)
class Forgetting(Sanitizer):
    """Sets the last layer to zero: every image gets class 0."""

    def __call__(self, model, clean):
        repaired = copy.deepcopy(model)
        for weights in repaired.head.parameters():
            weights.data.zero_()
        return Repaired(repaired, [{"step": 0.0}])


@dataclass(frozen=True, kw_only=True)
class Pointing(Inspector):
    """Says class 3, whatever the model."""

    def __call__(self, model, clean=None):
        index = torch.tensor([0.0, 0.1, 0.2, 9.0, 0.3, 0.4, 0.5, 0.6, 0.7, float("nan")])
        return Inspection(10 - index, index, 4.0, [3], torch.rand(10, 1, 28, 28, generator=torch.Generator()))


@pytest.fixture(scope="module")
def small(digits):
    parts = {name: getattr(digits, name)[:1000] for name in ("train", "test", "held_out")}
    return replace(digits, **parts)


@pytest.fixture(scope="module")
def net():
    return nets.build("fast_bn", (1, 28, 28), 10, seed=0)


def _text(result, data, console):
    with console.capture() as out:
        for table in report.duel_tables(result, targets(result.backdoor.relabel, data.test)):
            console.print(table)
    return out.get()


@pytest.fixture
def console():
    from rich.console import Console

    return Console(width=160)


def test_a_sanitizer_repairs_both_models_and_is_scored_on_what_the_victim_runs(small, net, console):
    result = duel(small, net, ATTACK, Forgetting())
    zeros = (small.test.y == 0).double().mean().item()
    assert result.repaired["attacked"].clean_accuracy == result.repaired["clean"].clean_accuracy == pytest.approx(zeros)
    assert result.repaired["attacked"] == evaluate(result.repairs["attacked"], small.test, result.backdoor)
    assert result.repaired["attacked"].asr == 0 and "repair" in result.seconds
    assert result.as_dict()["repaired"]["clean"]["trace"] == [{"step": 0.0}]
    assert "attacked, repaired" in _text(result, small, console)
    assert set(pictures(result, Forgetting(), small, 0)) == {"triggers.png"}


def test_an_inspector_judges_both_models(small, net, console):
    result = duel(small, net, ATTACK, Pointing())
    plain = result.as_dict()
    assert set(plain) == {"clean", "attacked", "inspection", "seconds"}
    assert plain["inspection"]["attacked"]["flagged"] == [3]
    text = _text(result, small, console)
    rows = [line.split("│") for line in text.splitlines() if "backdoored" in line]
    assert len(rows) == 2 and all(
        [c.strip() for c in row][2:7] == ["backdoored", "3", "9.00", "3", "1"] for row in rows
    )
    drawn = pictures(result, Pointing(), small, 0)
    assert set(drawn) == {"triggers.png", "anomaly_clean.png", "anomaly_attacked.png"}
    assert "class 3 has the largest index, 9.00, the cut-off is 4.00; flagged: [3]" in drawn["anomaly_clean.png"].alt
    assert all(plot.png()[:4] == b"\x89PNG" for plot in drawn.values())


def test_without_a_defence_there_are_two_models(small, net, console):
    result = duel(small, net, ATTACK, None)
    assert set(result.as_dict()) == {"clean", "attacked", "seconds"} and set(result.seconds) == {
        "train the clean model", "attack",
    }  # fmt: skip
    assert "repaired" not in _text(result, small, console)


def test_pruning_is_drawn_as_a_curve_and_rbd_as_maps(small, net):
    result = duel(small, net, ATTACK, Pruning())
    alt = pictures(result, Pruning(), small, 0)["pruning.png"].alt
    fallen = sum(int((m.keep == 0).sum()) for m in result.repairs["attacked"].model.modules() if hasattr(m, "keep"))
    assert f"attacked model: accuracy {result.attacked.clean_accuracy:.1%}, ASR {result.attacked.asr:.1%} whole" in alt
    repaired = result.repaired["attacked"]
    assert f"{repaired.clean_accuracy:.1%} and {repaired.asr:.1%} where the defence stops, after {fallen}" in alt
    guard = Rbd(steps=8)
    with pytest.warns(UserWarning, match="the shadow still knows"):
        drawn = pictures(duel(small, net, ATTACK, guard), guard, small, 0)
    assert set(drawn) == {"triggers.png", "scores.png", "maps.png"} and drawn["maps.png"].png()[:4] == b"\x89PNG"


def test_the_images_of_a_figure_are_of_as_many_classes_as_there_are():
    y = torch.tensor([2, 0, 0, 1, 2, 0])
    split = Split(torch.arange(6.0).view(6, 1, 1, 1) / 10, y, 3)
    rows = [(10 * _one_per_class(split[some], 4)).round().flatten().tolist() for some in (y >= 0, y == 0)]
    assert rows == [[1, 3, 0, 2], [1, 2, 5]]


SIDE = TrojanNet(steps=2)
"""Its model is a host with a module beside it, which no one can cut into stages."""


@pytest.mark.parametrize(
    ("attack", "defense"),
    [
        *((SIDE, guard) for guard in (Pruning(), FinePruning(), LinfPruning(), Rbd(), DeepInspect(data="inverted"))),
        (SignatureBackdoor(), Pruning()),
    ],
    ids=lambda method: type(method).__name__,
)
def test_a_defence_that_needs_stages_says_that_it_does_not_apply(attack, defense, small, net):
    made = {"TrojanNet": "Trojaned", "SignatureBackdoor": "Guarded"}[type(attack).__name__]
    said = rf"does not apply: {type(defense).__name__} on the {made} that {type(attack).__name__} makes; model must be "
    with pytest.raises(DoesNotApply, match=rf"^{said}a bdlab.nets.Net, got {made}; "):
        duel(small, net, attack, defense)


def test_a_defence_that_takes_any_module_works_beside_a_side_channel(small, net):
    result = duel(small, net, SIDE, FineTuning(recipe=Recipe(epochs=1)))
    assert list(result.repairs) == list(result.repaired) == ["clean", "attacked"]


def test_an_error_on_a_plain_network_is_no_refusal(small, net):
    @dataclass(frozen=True, kw_only=True)
    class Broken(Sanitizer):
        def __call__(self, model, clean):
            raise TypeError("a mistake")

    with pytest.raises(TypeError, match=r"^a mistake$") as caught:
        duel(small, net, ATTACK, Broken())
    assert not isinstance(caught.value, DoesNotApply)


@pytest.mark.parametrize(
    ("attack", "epochs"),
    [
        (Blind(recipe=Recipe(epochs=2)), 2),  # code poisoning: not the data's, but a recipe all the same
        (BadNets(recipe=Recipe(epochs=3)), 3),
        (Trojaning(recipe=Recipe(epochs=2)), DEFAULT_RECIPE.epochs),  # it retrains the clean network
        (PruningAware(recipe=Recipe(epochs=2)), DEFAULT_RECIPE.epochs),
        (SignatureBackdoor(), DEFAULT_RECIPE.epochs),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_clean_network_has_the_recipe_of_an_attack_that_trains_from_the_start(attack, epochs, small, net, monkeypatch):
    trained = []
    made = Backdoor(net, net, BadNets().trigger, all_to_one(0), Cost(0, 0, 0, 0))
    monkeypatch.setattr(type(attack), "__call__", lambda *_: made)
    monkeypatch.setattr(duels, "fit", lambda net, _, recipe, **__: trained.append(recipe.epochs) or net)
    duel(small, net, attack, None)
    assert trained == [epochs]


def test_targets_are_the_classes_that_inputs_are_sent_to(digits):
    assert targets(all_to_one(3), digits.test) == [3]
    assert targets(all_to_all(10), digits.test) == list(range(10))
