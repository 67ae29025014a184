"""Models that many tests read and none changes, trained once; a data cache of this run's own."""

from __future__ import annotations

from functools import cache

import pytest
import throwaway
import torch
from attack_bands import BANDS

import bdlab
from autograder.authoring import folders
from bdlab.contracts import Recipe, Split
from bdlab.experiments.attacks import attempt
from bdlab.nets import build
from bdlab.registry import registered
from bdlab.training import DEFAULT_RECIPE, fit
from bdlab.twins import Twins

throwaway.install()
SEED = 100
"""Seed of the shared models; the slow tests take all of 100-104."""
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


@pytest.fixture(scope="session", autouse=True)
def session_cache(tmp_path_factory):
    """Data sets are built once a run, never in the user's own cache; nobody's own trophies are touched."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BDLAB_HOME", str(tmp_path_factory.mktemp("student")))
        patch.setenv("BDLAB_CACHE", str(throwaway.HOME / "cache"))
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


def _trained(name, net, data, *recipe):
    """`net`, trained once a run: the other process reads its weights."""

    def train(path):
        torch.save(fit(net, data.train, *recipe, seed=SEED).state_dict(), path)

    net.load_state_dict(torch.load(throwaway.once(name, train)))
    return net.eval()


@pytest.fixture(scope="session")
def clean_model(digits, fresh):
    return _trained("clean-digits.pt", fresh(digits), digits)


@pytest.fixture(scope="session")
def clean_signs_model(signs, fresh):
    """One epoch: enough for the tests that only need a clean network on pictures in colour."""
    return _trained("clean-signs.pt", fresh(signs), signs, Recipe(epochs=1))


@pytest.fixture(scope="session")
def badnets(attempted):
    return attempted("badnets").backdoor


@pytest.fixture(scope="session")
def badnets_of(attempted, digits, fresh):
    """badnets_of(seed): BadNets with its defaults on digits, trained once."""

    @cache
    def get(seed):
        return attempted("badnets").backdoor if seed == SEED else bdlab.BadNets(seed=seed)(fresh(digits, seed), digits.train)

    return get


@pytest.fixture(scope="session")
def source_specific(attempted):
    """Class 1 to class 7, with covers."""
    return attempted("source_specific").backdoor


@pytest.fixture(scope="session")
def load_once(digits, signs):
    """load_once("digits" or "signs"): the data set."""
    return {"digits": digits, "signs": signs}.__getitem__


@pytest.fixture(scope="session")
def twins_on(load_once, clean_model):
    """twins_on(data, device): the honest small_bns, each trained once."""

    @cache
    def get(data, device=torch.device("cpu")):  # noqa: B008
        made = {(SEED, (DEFAULT_RECIPE,)): clean_model} if (data, device.type) == ("digits", "cpu") else {}
        return Twins(load_once(data), device, made=made)

    return get


@pytest.fixture(scope="session")
def twin_of(twins_on):
    """twin_of(data, seed): the clean small_bn of that seed."""
    return lambda data, seed=SEED: twins_on(data)(seed)


@pytest.fixture(scope="session")
def attempted(twins_on):
    """attempted(name, device): the registered attack with its defaults, run once a run; on the data set of its band."""

    @cache
    def get(name, device=torch.device("cpu")):  # noqa: B008
        def run(path):
            attack = registered("attack")[name].make(seed=SEED)
            torch.save(attempt(attack, SEED, twins_on(BANDS[name].data, device)), path)

        stored = throwaway.once(f"{name}-{device}.pt", run)
        return torch.load(stored, weights_only=False)  # our own file of this run

    return get


@pytest.fixture
def noise():
    """noise(n, shape, classes): random images with labels in turn, for tests that need no picture."""

    def make(n: int = 200, shape: tuple[int, int, int] = (1, 8, 8), classes: int = 10, seed: int = 0) -> Split:
        x = torch.rand(n, *shape, generator=torch.Generator().manual_seed(seed))
        return Split(x, torch.arange(n) % classes, classes, name="noise")

    return make


@pytest.fixture(scope="session")
def warden_of():
    """warden_of(tier, limits): jails of one fork server a tier, started once; the limits hold until it is asked again."""
    started = {}

    def get(tier, limits=None):
        from autograder.jail.limits import Limits
        from autograder.warden.pool import Warden

        if tier not in started:
            started[tier] = Warden(tier).__enter__()
        started[tier].limits = limits or Limits()
        return started[tier]

    yield get
    for warden in started.values():
        warden.__exit__()


@pytest.fixture(scope="session")
def probe():
    """The home of the throw-away lesson 99_probe, built; 97_open lies beside it."""
    throwaway.made()
    return folders.folder(throwaway.PROBE)
