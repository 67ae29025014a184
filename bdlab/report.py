"""What the commands print and write: tables, figures, JSON."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
import platform
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from rich.markup import escape
from rich.table import Table

from bdlab.checks import digest

if TYPE_CHECKING:
    from bdlab.contracts import Inspection
    from bdlab.experiments.claims import Reproduction
    from bdlab.experiments.duel import Duel
    from bdlab.plots import Plot
    from bdlab.training import Detection, Scores


def percent(value: float | None) -> str:
    """98.7 %, or a dash for None."""
    return "-" if value is None else f"{value:.1%}"


def duel_tables(result: Duel, targets: Sequence[int]) -> list[Table]:
    """Accuracy, ASR and RA of the models; then the detector's error rates, or the inspector's verdicts.

    targets: the classes that the attacker sends inputs to, beside which a verdict stands.
    """
    rows = {"clean": result.clean, "attacked": result.attacked}
    tables = [_score_table(rows | {f"{name}, repaired": scores for name, scores in result.repaired.items()})]
    if result.detections:
        tables.append(_detection_table(result.detections))
    if result.inspections:
        tables.append(_inspection_table(result.inspections, targets))
    return tables


def _inspection_table(rows: dict[str, Inspection], targets: Sequence[int]) -> Table:
    table = Table(
        "model", "verdict", "flagged classes", "largest anomaly index", "its class", "rank of the target", "cut-off",
        title="The inspector",
        caption="rank 1: the target has the smallest trigger of all classes; -: it has none that works",
    )  # fmt: skip
    for name, found in rows.items():
        index = {k: value for k, value in enumerate(found.anomaly_index.tolist()) if not math.isnan(value)}
        first = max(index, key=index.__getitem__, default=None)
        largest = ("-", "-") if first is None else (f"{index[first]:.2f}", str(first))
        order = sorted(index, key=index.__getitem__, reverse=True)  # the smallest trigger first
        rank = str(order.index(targets[0]) + 1) if len(targets) == 1 and targets[0] in order else "-"
        flagged = ", ".join(map(str, found.flagged)) or "-"
        table.add_row(name, found.verdict, flagged, *largest, rank, f"{found.cutoff:.2f}")
    return table


def _score_table(rows: dict[str, Scores]) -> Table:
    some = next(iter(rows.values()))
    table = Table(
        "model", "clean accuracy", "ASR", "RA", "leak",
        title="The models",
        caption=f"{some.clean_n} test images from {some.sources} sources, {some.attacked_n} of them attacked",
    )  # fmt: skip
    for name, s in rows.items():
        table.add_row(name, *(percent(value) for value in (s.clean_accuracy, s.asr, s.ra, s.leak)))
    return table


def _detection_table(rows: dict[str, list[Detection]]) -> Table:
    bad = {name: found[0].bad_n for name, found in rows.items()}
    some = next(iter(rows.values()))[0]
    table = Table(
        "model", "nominal FPR", "FRR (clean refused)", "FAR (triggered accepted)", "AUROC",
        title="The detector",
        caption=f"{some.clean_n} clean images from {some.sources} sources; triggered images that fool the model: "
        + ", ".join(f"{n} for the {name} one" for name, n in bad.items()),
    )  # fmt: skip
    for name, found in rows.items():
        for d in found:
            auroc = "-" if d.auroc is None else f"{d.auroc:.3f}"
            table.add_row(name, f"{d.fpr:.0%}", percent(d.frr), percent(d.far), auroc)
    return table


def write_run(folder: Path, command: dict[str, Any], numbers: dict[str, Any], figures: dict[str, Plot]) -> list[Path]:
    """Figures and results.json into `folder`; returns the paths."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as reason:
        raise OSError(f"out folder {folder} cannot be written ({reason.strerror}); name another with --out") from reason
    paths = [figure.save(folder / name) for name, figure in figures.items()]
    record = {"command": command, "versions": versions(), **numbers}
    part = folder / "results.json.part"
    part.write_text(json.dumps(record, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    os.replace(part, folder / "results.json")
    return [*paths, folder / "results.json"]


def run_name(
    attack: str, data: str, defense: str | None, net: str, seed: int, settings: Sequence[str], guards: Sequence[str]
) -> str:
    """The name of a run's folder, which tells all its settings; those that a name cannot hold by their checksum."""
    changed = [*settings, *(f"defense.{setting}" for setting in guards)]
    words = [attack, data, defense or "", net if net != "small_bn" else "", f"seed{seed}"]
    if changed:
        text = re.sub(r"[^A-Za-z0-9.=]+", "_", "-".join(changed))[:80]
        words += [text, hashlib.sha256("\n".join(changed).encode()).hexdigest()[:8]]
    return "-".join(filter(None, words))


def settings(method: Any) -> Any:
    """A method's settings as data: dataclasses become dicts with their class's name, tensors their shape and checksum."""
    if dataclasses.is_dataclass(method):
        values = {field.name: settings(getattr(method, field.name)) for field in dataclasses.fields(method)}
        return {"class": type(method).__name__, **values}
    if isinstance(method, torch.Tensor):
        return {"shape": list(method.shape), "sha256": digest(method)}
    if isinstance(method, tuple | list):
        return [settings(value) for value in method]
    return method if isinstance(method, bool | int | float | str | None) else repr(method)


def versions() -> dict[str, str]:
    """What a result depends on besides its command."""
    from bdlab import __version__

    return {"bdlab": __version__, "torch": torch.__version__, "python": platform.python_version()}


def write_section(page: Path, key: str, text: str) -> None:
    """Replace the part of a Markdown page between the marks of `key`, or add it at the end."""
    start, end = f"<!-- {key} -->", f"<!-- end of {key} -->"
    block = f"{start}\n{text.rstrip()}\n{end}"
    old = page.read_text(encoding="utf-8") if page.exists() else "# Results\n"
    pattern = re.compile(re.escape(start) + ".*?" + re.escape(end), re.DOTALL)
    new = pattern.sub(lambda _: block, old) if pattern.search(old) else f"{old.rstrip()}\n\n{block}\n"
    write_text(page, new)


def write_text(page: Path, text: str) -> None:
    """Write a page as a whole or not at all."""
    page.parent.mkdir(parents=True, exist_ok=True)
    part = page.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, page)


def reproduction_section(result: Reproduction, command: str) -> str:
    """The Markdown of one reproduction: heading, setting, table, figures."""
    from bdlab.experiments.claims import markdown

    pictures = "\n\n".join(f"![{figure.alt}](figures/{name})" for name, figure in result.figures.items())
    versions = f"torch {torch.__version__.split('+')[0]}, CPU threads: {torch.get_num_threads()}"
    setting = f"{result.setting}. Printed by `{command}` ({versions})."
    rest = "Not run: " + "; ".join(what.rstrip(".") for what in result.not_run) + "." if result.not_run else ""
    parts = (f"## {result.title}", setting, markdown(result.claims), rest, pictures)
    return "\n\n".join(part for part in parts if part)


def claims_table(result: Reproduction) -> Table:
    """The rows of a reproduction for the terminal."""
    from bdlab.experiments.claims import HEADER

    rest = ["not run: " + what for what in result.not_run]
    caption = "\n".join([result.setting, *rest])
    return rows_table(HEADER, [claim.row() for claim in result.claims], result.title, caption)


def rows_table(header: Sequence[str], rows: Sequence[Sequence[str]], title: str, caption: str = "") -> Table:
    """A plain table of text."""
    table = Table(*header, title=title, caption=caption, show_lines=False)
    for row in rows:
        table.add_row(*map(escape, row))  # square brackets are text here
    return table
