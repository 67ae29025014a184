"""The benchmark's own machinery: what is held, what the peers are given, where a search stops."""

import importlib
import sys
from pathlib import Path

import pytest
import torch

from bdlab import nets
from bdlab.defenses.neural_cleanse import NeuralCleanse, reverse

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture
def bench(monkeypatch):
    """`bench(name)` imports a module of benchmarks/, as a script there would."""
    monkeypatch.syspath_prepend(str(FOLDER))
    names = {path.stem for path in FOLDER.glob("*.py")}
    yield importlib.import_module
    for name in names & set(sys.modules):
        del sys.modules[name]


def test_a_line_is_held_on_its_side_of_the_bar(bench):
    line = bench("table").Line
    assert line("x", {}, 0.5, 0.5).held and not line("x", {}, 0.51, 0.5).held
    assert line("x", {}, 0.99, 0.99, at_least=True).held and not line("x", {}, 0.98, 0.99, at_least=True).held
    assert line("x", {}, 7.0).held and "NOT HELD" in str(line("x", {"bdlab": 1.0}, 0.51, 0.5))


def test_every_row_has_what_runs_it(bench):
    run = bench("run")
    assert set(run.ROWS) == {*run.WITH_PEERS, "mnist"}


@pytest.mark.parametrize("name", ["small_bn", "badnets_cnn"])
def test_the_peers_get_the_same_network(name, bench, tmp_path):
    common = bench("common")
    net = nets.build(name, (1, 28, 28), 10, seed=3).eval()
    x = torch.rand(4, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    common.write(net, tmp_path / "net.pt", x=x)
    plain, tensors = common.read(str(tmp_path / "net.pt"), getattr(common, f"plain_{name}"))
    assert torch.equal(tensors["x"], x)
    torch.testing.assert_close(plain(x), net(x), rtol=1e-4, atol=1e-5)


def test_a_peer_that_refuses_is_quoted_and_goes_on(bench, monkeypatch, tmp_path):
    peers = bench("peers")
    (tmp_path / "peer.py").write_text(
        f"import sys; sys.path.insert(0, {str(FOLDER)!r})\n"
        "from common import serve\n"
        "def no(path): raise NotImplementedError('Only Keras')\n"
        "serve({'no': no, 'yes': lambda path: lambda: print(path)})\n"
    )
    monkeypatch.setitem(peers.SCRIPTS, "Peer", str(tmp_path / "peer.py"))
    peer = peers.Peer("Peer", Path(sys.executable))
    try:
        with pytest.raises(peers.Refused, match="Only Keras"):
            peer.seconds("no", tmp_path)
        assert 0 <= peer.seconds("yes", tmp_path) < 10
    finally:
        peer.close()


def test_a_search_stops_at_its_goal_and_not_before(bench):
    until = bench("row_cleanse").Until(3, NeuralCleanse(), torch.tensor([5.0, 5.0, 0.0]))
    yes = torch.ones(3, dtype=torch.bool)
    until.look(yes, torch.tensor([6.0, 5.0, 1.0]))
    assert until.done.tolist() == [False, True, False]
    until.look(torch.zeros(3, dtype=torch.bool), torch.tensor([4.0, 4.0, 4.0]))  # small, but without success
    assert until.done.tolist() == [False, True, False]
    until.look(yes, torch.tensor([4.0, 9.0, 4.0]))
    assert until.done.tolist() == [True, True, False] and until.best.tolist() == [4.0, 5.0, 1.0]


def test_without_a_goal_our_search_is_the_librarys(bench, digits):
    row, settings = bench("row_cleanse"), NeuralCleanse(steps=2)
    net, clean = nets.build("small_bn", digits.input_shape, digits.classes, seed=0).eval(), digits.held_out
    found = row._ours(settings, net, clean, torch.zeros(digits.classes))
    norms, _, masks, _ = reverse(settings, net, clean.x, range(digits.classes), *settings.start(clean))
    assert torch.equal(torch.cat([mask for mask, _ in found]), masks)
    torch.testing.assert_close(row._norms(found), norms)
