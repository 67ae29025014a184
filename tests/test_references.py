"""The verdict on few classes, by clean networks that are trained on the clean images."""

import itertools

import pytest
import torch
from odd_models import CLASSES, SHAPE, plain
from test_odd_models import _pictures
from torch import nn

from bdlab import nets
from bdlab.contracts import Split
from bdlab.defenses import NeuralCleanse, references
from bdlab.training import fit


def _models(classes, seed, target=1.0):
    """Norms of one model and of its references: log-normal, another level for each network; class 0 times `target`."""
    generator = torch.Generator().manual_seed(seed)
    draws = torch.randn(6, classes, generator=generator) * 0.3 + torch.randn(6, 1, generator=generator)
    draws[0, 0] += torch.tensor(target).log()
    return draws.exp()


def _alarms(classes, monkeypatch, target, runs):
    monkeypatch.setattr(references, "reference", lambda model, clean, seed: seed)
    flagged = []
    for run in range(runs):
        norms = _models(classes, run, target)
        found = references.compare(norms[0], None, None, lambda k, norms=norms: norms[k + 1], 5, 0)
        flagged.append((found.index > found.cutoff).tolist())
    return flagged


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_the_comparison_holds_its_family_wise_rate_and_finds_a_small_trigger(classes, monkeypatch):
    clean = _alarms(classes, monkeypatch, 1.0, 2000)
    assert sum(map(any, clean)) / 2000 < 0.065  # Bonferroni: at most .05, 3 standard errors
    infected = _alarms(classes, monkeypatch, 0.1, 200)
    assert sum(row[0] for row in infected) > 160 and sum(any(row[1:]) for row in infected) < 20


@pytest.fixture(scope="module")
def three():
    data = _pictures(1024)
    return data[data.y < 3]


def _split(data, classes):
    return Split(data.x, data.y, classes, name="blocks")


def test_a_reference_learns_and_shares_no_weight_with_the_model(three):
    model = fit(plain(), three)
    net = references.reference(model, three, 5)
    again = references.reference(model, three, 5)
    pairs = list(zip(net.parameters(), model.parameters(), strict=True))
    assert not any(torch.equal(a, b) for a, b in pairs if a.dim() > 1)
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), again.parameters(), strict=True))


def _shuffled(n):
    return torch.randperm(n, generator=torch.Generator().manual_seed(0))


class Own(nn.Module):
    """Holds a weight that nobody can draw anew."""

    def __init__(self, net):
        super().__init__()
        self.net, self.scale = net, nn.Parameter(torch.ones(()))

    def forward(self, x):
        return self.scale * self.net(x)


@pytest.mark.parametrize(
    ("change", "count", "reason"),
    [
        (lambda net, data: (net, data), 0, "3 classes and no references$"),
        (lambda net, data: (Own(net), data), 5, "3 classes and no references, for the weights of Own cannot be drawn anew"),
        (lambda net, data: (net, Split(data.x, data.y[_shuffled(len(data))], 3)), 5,
         "3 classes and no references, for a network trained on .* images is right on"),
    ],
)  # fmt: skip
def test_few_classes_without_references_cannot_be_judged(change, count, reason, three):
    with nets.seeded(0):
        net = nets.Net(SHAPE, 3, body=nn.Sequential(nn.Flatten(), nn.Linear(768, 3)))
    model, clean = change(fit(net, _split(three, 3)), _split(three, 3))
    with pytest.warns(UserWarning, match=reason):
        found = NeuralCleanse(steps=8, images=64, success=0.3, references=count)(model, clean)
    assert found.verdict.startswith("cannot say: 3 classes and no references") and not found.flagged
    assert len(set(itertools.chain(found.excluded, found.ranking))) == 3 and CLASSES == 8


def test_a_model_that_knows_nothing_of_the_images_warns_before_any_verdict(three):
    net = plain()
    with pytest.warns(UserWarning, match=r"the model is right on .* of the clean images, near chance: are they scaled"):
        NeuralCleanse(steps=1, images=64)(net, _pictures(128))
