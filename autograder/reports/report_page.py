"""The report as one HTML page that opens from disk: no script, nothing from elsewhere, everything escaped."""

from __future__ import annotations

import base64
import hashlib
import statistics
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from autograder.handin.sanitize import plain
from autograder.reports import charts
from autograder.reports.report import Report
from autograder.verdict.journal import CAUSES

HOME = Path(__file__).parent
SAMPLES = 10
"""Misconceptions that come with an answer, and that the chart shows."""
SECTIONS = (
    ("sec-points", "Points"), ("sec-exercises", "Exercises"), ("sec-mistakes", "Misconceptions"),
    ("sec-waiting", "Waits for a human"), ("sec-similar", "Similar submissions"), ("sec-slow", "Slow and crashed"),
    ("sec-repaired", "Repaired"), ("sec-about", "About this report"),
)  # fmt: skip


def page(report: Report) -> str:
    """The whole page.  Its policy allows this very style and nothing else: no script, no picture, no form, no address."""
    style = (HOME / "report.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    mean, median = statistics.fmean(report.points), statistics.median(report.points)
    top = report.mistakes[:SAMPLES]
    pictures = {
        "points": charts.histogram(report.points, report.maximum, mean, median),
        "difficulty": charts.intervals([(i.exercise, i.share, i.low, i.high) for i in report.items], report.read),
        "mistakes": charts.bars([(f"{m.exercise}: {m.name}", m.count) for m in top], report.read),
    }
    looks = Environment(
        loader=FileSystemLoader(HOME), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        finalize=lambda value: value if isinstance(value, Markup) else plain(str(value)),
    )  # fmt: skip
    return looks.get_template("report.html").render(
        r=report, mean=mean, median=median, charts=pictures, style=Markup(style), policy=Markup(policy),
        sections=SECTIONS, outcomes=CAUSES, samples=SAMPLES,
    )  # fmt: skip
