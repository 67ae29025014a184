"""The cards as tables: for the terminal, and for docs/zoo.md."""

from __future__ import annotations

from bdlab.zoo.cards import Card, Range, card, names
from bdlab.zoo.plans import COMING, plans

HEADER = ("name", "lessons", "data", "net", "kB", "clean accuracy", "ASR", "what it is for")
PAGE = """# The zoo

Small trained networks, honest and backdoored, for what a lesson must not train. They are in the package, as float16 numbers
in safetensors files, never a pickle, whose loading could run anybody's code; each has a card with its sha256, which
loading checks.

    net = bdlab.zoo.load("signs-badnets")                # in eval mode
    backdoor = bdlab.zoo.backdoor("signs-badnets")       # with its attacker's trigger and wish
    print(bdlab.evaluate(backdoor, bdlab.load("signs").test))

`bdlab zoo list` shows the table and `bdlab zoo show NAME` a card; `bdlab zoo build NAME` trains a network anew and writes
its card; `bdlab zoo list --write docs/zoo.md` writes this page. Ranges are over the seeds of the card, on the test images.

## What is there

{there}

{count} networks, {kilobytes} kB. How `signs-a`, `signs-b` and `signs-c` were found: [zoo-pruning.md](zoo-pruning.md).

## The honest twins

The twin of an attack is the honest network by the attack's own recipe and epochs, with the same seeds, under the same
trigger.

{twins}

## What comes with its lesson

{coming}
"""
SCORES = {"clean_accuracy": "clean accuracy", "asr": "ASR", "ra": "RA"}


def rows() -> list[tuple[str, ...]]:
    """One row for each network that is there, in the order of the plans."""
    return [_row(card(name)) for name in plans() if name in names()]


def _row(one: Card) -> tuple[str, ...]:
    clean, asr = one.scores["clean_accuracy"], one.scores.get("asr")
    size = f"{one.bytes / 1000:.0f}"
    return one.name, ", ".join(one.lessons), one.data, one.net, size, span(clean), span(asr), one.why


def span(values: Range | None) -> str:
    """'97.9 to 98.3 %', or a dash."""
    if values is None:
        return "-"
    low, high = (f"{100 * value:.1f}" for value in values)
    return f"{low} %" if low == high else f"{low} to {high} %"


def told(one: Card) -> list[tuple[str, str]]:
    """A card line by line: what, value."""
    twin = one.twin or {}
    lines = {
        "why": one.why, "lessons": ", ".join(one.lessons), "data": one.data, "net": one.net,
        "attack": one.attack or "none: honest", "recipe": one.recipe, "seed": f"{one.seed}, of {one.seeds}",
        "in float32": _spans(one.scores), "this file": ", ".join(f"{SCORES[k]} {v:.1%}" for k, v in one.rounded.items()),
        "honest twin": twin and f"{twin['name'] or 'not kept'}: {_spans(twin)}", "MITRE ATLAS": one.atlas,
        "sha256": one.sha256, "bytes": str(one.bytes), "made by": one.command,
    }  # fmt: skip
    return [(what, value) for what, value in lines.items() if value]


def _spans(scores: dict[str, Range]) -> str:
    return ", ".join(f"{name} {span(scores[key])}" for key, name in SCORES.items() if key in scores)


def page() -> str:
    """docs/zoo.md."""
    attacked = [one for one in map(card, plans()) if one.twin]
    twins = [(one.name, one.twin["name"] or "not kept", *_twin(one.twin)) for one in attacked if one.twin]
    return PAGE.format(
        there=_markdown((*HEADER, "attack", "trigger", "MITRE ATLAS"), [(*row, *_attack(card(row[0]))) for row in rows()]),
        twins=_markdown(("attacked", "twin", *(f"the twin's {name}" for name in SCORES.values())), twins),
        coming=_markdown(("name", "comes with lesson", "data", "attack", "net", "what it is for"), COMING),
        count=len(rows()), kilobytes=sum(card(row[0]).bytes for row in rows()) // 1000,
    )  # fmt: skip


def _attack(one: Card) -> tuple[str, str, str]:
    if one.attack is None:
        return "none", "-", "-"
    return one.attack.partition("(")[0], f"`{one.trigger}`", one.atlas or "-"


def _twin(scores: dict[str, Range]) -> list[str]:
    return [span(scores.get(key)) for key in SCORES]


def _markdown(header: tuple[str, ...], body: list[tuple[str, ...]] | tuple[tuple[str, ...], ...]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in (header, tuple("---" for _ in header), *body))
