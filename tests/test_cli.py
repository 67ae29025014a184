"""The command line as a user meets it, in a folder of its own; `main` runs in this process to save the import of torch."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest

from bdlab import BadNets, Patch, __version__, all_to_all, cli, report, source_to, zoo
from bdlab.settings import with_settings
from bdlab.zoo import building, pages
from bdlab.zoo.plans import plans

COMMANDS = (
    *("demo", "run", "reproduce", "gallery", "list", "doctor", "lab", "bench"),
    *("zoo list", "zoo show", "zoo build"),
)


@pytest.fixture
def bdlab(tmp_path, monkeypatch, capsys):
    """Call the command in an empty folder: returns its exit status and what it printed."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["bdlab", *arguments])
        with pytest.raises(SystemExit) as end:
            cli.main()
        printed = capsys.readouterr()
        return SimpleNamespace(returncode=end.value.code or 0, stdout=printed.out, stderr=printed.err)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BDLAB_DATA", str(tmp_path))
    monkeypatch.setattr(cli.console, "width", 200)
    return call


def _run(folder, name):
    """One small run: `bdlab run badnets --data digits --defense strip`."""
    arguments = ["run", "badnets", "--defense", "strip", "--net", "fast_bn", "--seed", "3", "--device", "cpu"]
    arguments += ["--set", "recipe.epochs=2", "--set-defense", "overlays=20"]
    command = [sys.executable, "-m", "bdlab.cli", *arguments]
    return subprocess.run([*command, "--out", name], cwd=folder, capture_output=True, text=True)


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return folder, _run(folder, "one")


def test_run_prints_tables_and_writes_figures_and_json(ran):
    folder, first = ran
    assert first.returncode == 0, first.stderr
    for word in ("clean accuracy", "ASR", "RA", "FRR", "FAR", "AUROC", "results.json"):
        assert word in first.stdout
    assert {path.name for path in (folder / "one").iterdir()} == {"triggers.png", "scores.png", "results.json"}
    numbers = json.loads((folder / "one" / "results.json").read_text())
    assert numbers["attacked"]["asr"] > 0.9 > 0.05 > numbers["clean"]["asr"]
    assert numbers["command"]["seed"] == 3 and numbers["command"]["data"] == "digits"
    attack, defense = numbers["command"]["attack"], numbers["command"]["defense"]
    assert attack["class"] == "BadNets" and attack["recipe"]["epochs"] == 2 and attack["relabel"]["target"] == 0
    assert defense["class"] == "Strip" and defense["overlays"] == 20


def test_a_run_folder_is_named_by_all_settings():
    names = [
        report.run_name("badnets", "digits", None, net, seed, settings, guards)
        for net, seed, settings, guards in (
            ("small_bn", 0, [], []),
            ("small_bn", 1, [], []),
            ("small_bn", 0, ["rate=.01"], []),
            ("small_bn", 0, ["rate=.2"], []),
            ("fast_bn", 0, ["rate=.2"], []),
            ("small_bn", 0, [], ["rate=.2"]),
            ("small_bn", 0, ["at=(1,2)"], []),
            ("small_bn", 0, ["at=[1,2]"], []),
            ("small_bn", 0, ["a=" + "x" * 90], []),
            ("small_bn", 0, ["a=" + "x" * 91], []),
        )
    ]
    assert len(set(names)) == len(names) and names[0] == "badnets-digits-seed0"
    assert all(re.fullmatch(r"[A-Za-z0-9._=-]{1,150}", name) for name in names)


@pytest.mark.slow
def test_two_runs_with_one_seed_give_the_same_numbers(ran):
    folder, _ = ran
    _run(folder, "two")
    one, two = (json.loads((folder / name / "results.json").read_text()) for name in ("one", "two"))
    for numbers in (one, two):
        numbers.pop("seconds")
    assert one == two


def test_list_json_has_the_agreed_shape(bdlab):
    done = bdlab("list", "--json")
    contents = json.loads(done.stdout)
    assert list(contents) == [
        "datasets", "nets", "triggers", "attacks", "defenses", "evasion", "availability", "lessons", "exercises",
    ]  # fmt: skip
    assert all(thing["name"] for things in contents.values() for thing in things)
    for kind in ("attacks", "defenses"):
        assert all(thing[key] for thing in contents[kind] for key in ("paper", "family", "module"))
    names = {thing["name"] for thing in contents["datasets"]}
    assert names == {"digits", "signs", "mnist", "fashion_mnist", "cifar10", "gtsrb", "speech"}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command, bdlab):
    done = bdlab(*command.split(), "--help")
    assert done.returncode == 0 and f"bdlab {command}" in done.stdout.split("Example:")[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "badnet"], "error: attack must be one of badnets, blend, "),
        (["run", "badnets", "--set", "rate=1.5"], "error: rate must be in (0, 1], got 1.5"),
        (["run", "badnets", "--set", "rat=0.1"], "error: BadNets has no setting 'rat'; it has trigger, relabel"),
        (["run", "badnets", "--data", "digit"], "error: dataset must be one of"),
        (["run", "badnets", "--data", "speech"], "error: data set 'speech' needs fsdd/fsdd.npz below"),
        (["reproduce", "stripe"], "error: paper must be one of attacks, availability, badnets, "),
        (["zoo", "show", "signs"], "error: name must be one of digits-badnets, "),
        (["zoo", "build", "signs"], "error: name must be one of digits-clean, "),
        (["run", "badnets", "--set", "relabel=all_to_one(77)"], "error: target must be in 0..9 for 10 classes, got 77"),
        (
            ["run", "trojannet", "--set", "steps=2", "--net", "fast_bn", "--defense", "pruning"],
            "error: does not apply: Pruning on the Trojaned that TrojanNet makes; model must be a bdlab.nets.Net, ",
        ),
    ],
)
def test_bad_input_is_one_line_on_stderr(arguments, message, bdlab, tmp_path):
    done = bdlab(*arguments)
    lines = [line for line in done.stderr.splitlines() if line.startswith("error")]
    assert done.returncode == 2 and len(lines) == 1 and lines[0].startswith(message), done.stderr
    assert "Traceback" not in done.stderr and not (tmp_path / "runs").exists()


def test_the_zoo_is_listed_shown_and_written_as_a_page(bdlab, tmp_path):
    listed = bdlab("zoo", "list", "--write", "zoo.md").stdout
    assert all(name in listed for name in zoo.names()) and (tmp_path / "zoo.md").read_text() == pages.page()
    shown = bdlab("zoo", "show", "signs-badnets").stdout
    card = zoo.card("signs-badnets")
    for word in (card.sha256, card.atlas, card.why, card.command, f"ASR {card.rounded['asr']:.1%}", "signs-clean: clean"):
        assert word in shown


def test_the_zoo_is_built_by_name(bdlab, monkeypatch):
    built = []
    monkeypatch.setattr(building, "build", lambda plan: built.append(plan.name) or f"card of {plan.name}")
    assert "card of signs-badnets" in bdlab("zoo", "build", "signs-badnets").stdout and built == ["signs-badnets"]
    bdlab("zoo", "build")
    assert built[1:] == list(plans())


def test_cuda_that_is_not_there_is_refused(bdlab, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    done = bdlab("demo", "--device", "cuda")
    assert done.returncode == 2 and "--device must be auto or cpu here, got cuda" in done.stderr


def test_doctor_tells_of_an_unwritable_cache(bdlab, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BDLAB_CACHE", str(tmp_path / "file" / "cache"))
    done = bdlab("doctor")
    assert done.returncode == 1 and "PROBLEM" in done.stdout and "set BDLAB_CACHE" in done.stdout


def test_settings_reach_nested_fields_and_keep_types():
    attack = with_settings(
        BadNets(),
        [
            "rate=1",
            "trigger.shape=pixel",
            "trigger.at=(5, 6)",
            "relabel=source_to(1, 7)",
            "recipe.epochs=2",
            "mode=replace",
        ],
    )
    assert attack.trigger == Patch(shape="pixel", at=(5, 6)) and attack.relabel == source_to(1, 7)
    assert (attack.rate, attack.recipe.epochs, attack.mode) == (1.0, 2, "replace") and isinstance(attack.rate, float)
    assert with_settings(BadNets(), ["relabel=all_to_all(10)"]).relabel == all_to_all(10)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("rate", "name=value"),
        ("rate=much", "rate must be of type float, got 'much'"),
        ("recipe.epochs=2.5", "epochs must be of type int"),
        ("relabel=7", "relabel must be a relabel such as"),
        ("trigger=square", "set field by field"),
        ("relabel=all_to_one(x)", "relabel must look like"),
        ("trigger.shape=blob", "shape must be one of pixel, pattern, square"),
    ],
)
def test_settings_name_what_is_wrong(setting, message):
    with pytest.raises(ValueError, match=message):
        with_settings(BadNets(), [setting])


def test_brackets_are_printed_as_they_are(capsys):
    cli.console.print(cli.report.rows_table(("a",), [("pip install -e '.[test]'",)], ""))
    assert ".[test]" in capsys.readouterr().out


def test_the_version_is_the_same_everywhere():
    root = Path(__file__).resolve().parents[1]
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert project == __version__
    for name in ("CITATION.cff", "CHANGELOG.md"):
        assert project in (root / name).read_text(encoding="utf-8")


def test_reproduce_takes_the_seeds_that_it_is_given_and_prints_the_command(bdlab, tmp_path, monkeypatch):
    from bdlab.experiments import attacks
    from bdlab.experiments.claims import Claim, Reproduction

    def reproduced(data, seeds, device, journal):
        claims = [Claim("seeds", "-", list(map(float, seeds)), lambda v: v == 101, "= 101")]
        return Reproduction("attacks", data, seeds, claims, {})

    monkeypatch.setattr(attacks, "reproduce", reproduced)
    done = bdlab("reproduce", "attacks", "--data", "digits", "--first-seed", "100", "--device", "cpu")
    page = (tmp_path / "runs/reproduce-attacks-digits/results.md").read_text()
    assert done.returncode == 0 and "seeds 100, 101, 102" in page
    assert "`bdlab reproduce attacks --data digits --first-seed 100`" in page
