"""Claims and their verdicts; the sections of docs/results.md."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from bdlab import evaluate, report
from bdlab.attacks.blend import BlendedInjection
from bdlab.contracts import Recipe
from bdlab.experiments import attacks, blend
from bdlab.experiments.claims import Claim, markdown
from bdlab.experiments.trials import SeededTrials

ROOT = Path(__file__).resolve().parents[1]


def _claim(values, conditional=()):
    return Claim(
        "what", "99%", values, lambda v: v >= 0.9, ">= 90%", changed={"more": conditional} if conditional else {}
    )


@pytest.mark.parametrize(
    ("values", "conditional", "verdict"),
    [
        ([0.95, 0.91], (), "holds"),
        ([1.0, 0.7], (), "does not"),  # the mean decides: 85 %
        ([0.5], [0.95], "holds if more"),
        ([0.5], [0.6], "does not"),
    ],
)
def test_verdicts(values, conditional, verdict):
    assert _claim(values, conditional).verdict == verdict


@pytest.mark.parametrize(("values", "verdict"), [([0.95, 0.91], "holds"), ([1.0, 0.89], "holds if more")])
def test_what_is_said_of_every_model_holds_for_every_seed(values, verdict):
    claim = replace(_claim(values, [0.9, 0.9]), every=True)
    assert claim.verdict == verdict and claim.row()[3] == ">= 90% for every seed"


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([0.95], "95.00%"),
        ([0.95, 0.91], "93.00% (91.00% to 95.00%)"),
        ([0.95, float("nan"), 0.91], "undefined for 1 of 3 (91.00% to 95.00%)"),
        ([float("nan")] * 2, "undefined for 2 of 2"),
    ],
)
def test_what_is_undefined_is_told_and_never_holds(values, text):
    claim = _claim(values)
    assert claim.row()[2] == text and (claim.verdict == "holds") == ("undefined" not in text)


def _run(**changed):
    run = {"drop": 0.0, "asr": 0.95, "control": 0.01, "read": 0.9, "leak": None, "seconds": 3.0}
    return [run, run | changed]


def test_the_table_of_all_attacks_has_a_leak_where_some_images_shall_keep_their_label():
    assert len(attacks._claims("badnets", 10, _run())) == 3
    *_, leak = attacks._claims("source_specific", 10, [run | {"leak": 0.12} for run in _run()])
    assert leak.what == "source_specific: leak to other classes" and leak.verdict == "sanity check fails"


def test_what_a_clean_model_cannot_read_is_marked_as_distribution_shift():
    for read, marked in ((0.5, False), (0.49, True)):  # with .9 of the other seed: .7, .695
        *_, control = attacks._claims("filters", 10, _run(read=read))
        assert ("DISTRIBUTION SHIFT" in control.what) == marked


def _blended(asr):
    """Made-up trials: fifty poisons give `asr` at .2; more opacity gives more, until 1."""

    def each(trials, label, key, compute, _, attack):
        usual = 1.0 if attack.rate == 0.1 else asr
        return [{f"{alpha}": min(1.0, usual * alpha / 0.2) for alpha in blend.LATER} for _ in trials.seeds]

    return each


@pytest.mark.parametrize(("asr", "verdict"), [(0.95, "holds"), (0.6, "holds if the key is shown at 0.4"), (0.3, "does not")])
def test_fifty_poisons(asr, verdict, digits, monkeypatch):
    monkeypatch.setattr(blend.SeededTrials, "each", _blended(asr))
    claims = blend.reproduce(digits, (0, 1)).claims
    assert [claim.verdict for claim in claims] == [verdict, "holds"] * 2
    assert "0.05: 25.0%, 0.1: 50.0%, 0.15: 75.0%, 0.2: 100.0%" in claims[1].what


def test_an_opacity_that_does_worse_than_a_lower_one_is_told():
    runs = [{f"{alpha}": 0.9 for alpha in blend.LATER} | {"0.3": share} for share in (0.95, 0.8)]
    claim = blend._opacity("noise", runs)
    assert claim.values == pytest.approx([-0.05, -0.1]) and claim.verdict == "does not"


def test_a_measured_blend_is_the_attack_shown_at_each_opacity(digits):
    attack = BlendedInjection(recipe=Recipe(epochs=1), rate=0.2)
    trials = SeededTrials(replace(digits, train=digits.train[:600], test=digits.test[:200]), (0,))
    numbers = blend._measured(trials, attack, 0)
    for alpha in (0.05, 0.4):
        later = replace(attack, alpha_test=alpha)(trials.fresh(0), trials.data.train)
        assert numbers[f"{alpha}"] == evaluate(later, trials.data.test).asr


def test_a_row_tells_mean_range_and_condition():
    assert _claim([0.5, 0.7], [0.95]).row() == (
        "what",
        "99%",
        "60.00% (50.00% to 70.00%); more: 95.00%",
        ">= 90%",
        "holds if more",
    )
    assert markdown([_claim([1.0])]).splitlines()[2] == "| what | 99% | 100.00% | >= 90% | holds |"


def test_write_section_replaces_only_its_own_part(tmp_path):
    page = tmp_path / "results.md"
    report.write_section(page, "a", "first")
    report.write_section(page, "b", "second")
    report.write_section(page, "a", "third, with a \\1 in it")
    text = page.read_text()
    assert "first" not in text and text.index("third, with a \\1 in it") < text.index("second")
    assert text.count("<!-- a -->") == text.count("<!-- end of a -->") == 1


def test_results_page_has_a_verdict_in_every_row():
    text = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    rows = [row for row in text.splitlines() if row.startswith("|") and "---" not in row and "verdict" not in row]
    assert len(rows) >= 20
    for row in rows:
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert all(cells), row
        assert re.match(r"holds$|holds if |does not$", cells[-1]), row
    for figure in re.findall(r"\]\((figures/[^)]+)\)", text):
        assert (ROOT / "docs" / figure).exists(), figure
