"""Models that many tests read and none changes, trained once; a data cache of this run's own."""

from __future__ import annotations

import pytest
import torch

import bdlab
from bdlab.contracts import Recipe, Split
from bdlab.nets import build
from bdlab.training import fit

SEED = 100
"""Seed of the shared models; the slow tests take all of 100-104."""
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


@pytest.fixture(scope="session", autouse=True)
def session_cache(tmp_path_factory):
    """Data sets are built once a run, and never in the user's own cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BDLAB_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(params=DEVICES)
def device(request):
    """The CPU, and the GPU where there is one."""
    return torch.device(request.param)


@pytest.fixture
def global_rng_untouched():
    """The test fails if its body moves torch's global generator."""
    before = torch.get_rng_state()
    yield
    assert torch.equal(torch.get_rng_state(), before), "something drew from the global generator"


@pytest.fixture(scope="session")
def digits():
    return bdlab.load("digits")


@pytest.fixture(scope="session")
def signs():
    return bdlab.load("signs")


@pytest.fixture(scope="session")
def fresh():
    """fresh(data, seed): an untrained small_bn."""
    return lambda data, seed=SEED: build("small_bn", data.input_shape, data.classes, seed=seed)


@pytest.fixture(scope="session")
def clean_model(digits, fresh):
    return fit(fresh(digits), digits.train, seed=SEED)


@pytest.fixture(scope="session")
def clean_signs_model(signs, fresh):
    """One epoch: enough for the tests that only need a clean network on pictures in colour."""
    return fit(fresh(signs), signs.train, Recipe(epochs=1), seed=SEED)


@pytest.fixture(scope="session")
def badnets(digits, fresh):
    return bdlab.BadNets(seed=SEED)(fresh(digits), digits.train)


@pytest.fixture(scope="session")
def source_specific(digits, fresh):
    """Class 1 to class 7, with covers."""
    attack = bdlab.BadNets(relabel=bdlab.source_to(1, 7), rate=0.05, covers=0.2, seed=SEED)
    return attack(fresh(digits), digits.train)


@pytest.fixture
def noise():
    """noise(n, shape, classes): random images with labels in turn, for tests that need no picture."""

    def make(n: int = 200, shape: tuple[int, int, int] = (1, 8, 8), classes: int = 10, seed: int = 0) -> Split:
        x = torch.rand(n, *shape, generator=torch.Generator().manual_seed(seed))
        return Split(x, torch.arange(n) % classes, classes, name="noise")

    return make
