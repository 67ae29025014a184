"""Claims and their verdicts; the sections of docs/results.md."""

import re
from pathlib import Path

import pytest

from bdlab import report
from bdlab.experiments.claims import Claim, markdown

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
