"""Lesson 06's figures of what was measured before: from the lesson's cache, or printed by a command that stands there."""

from __future__ import annotations

from bdlab import plots
from bdlab.lessons.demos import cached
from bdlab.plots import Claim, Row
from bdlab.triggers.reflection import drawn


def anybody() -> plots.Plot:
    """What both readers make of each of 24 scenes: the supplier's four, and twenty that no training picture held."""
    made, every = cached("l06", "anybody"), drawn()
    words = [f"{n}: {a:.0%} | {b:.0%}" for n, (a, b) in enumerate(zip(made["bought"], made["twin"], strict=True))]
    supplied = {14, 23, 18, 2}
    rows = [
        Row("", every[at : at + 8], words[at : at + 8], [n in supplied for n in range(at, at + 8)]) for at in (0, 8, 16)
    ]
    return plots.answers(
        rows, scale=1.05, title="share of 1,408 signs that become 'speed 30', w = .4: bought reader | honest twin\n"
        "columns in turn: windows, lamps, blinds, leaves",
        alt=f"24 scenes with the ASR of the bought reader and of the honest twin: {', '.join(words)}. The supplier's are "
        "2, 14, 18 and 23.",
    )  # fmt: skip


def strength() -> plots.Plot:
    """Both label modes over w, beside the honest twin."""
    made = cached("l06", "strength")
    changed, clean = made["asr"]
    curves = [
        ("labels changed: ASR", changed.tolist()), ("clean label: ASR", clean.tolist()),
        ("honest twin still right (RA)", made["twin"][:, 1:].tolist()), ("honest twin: ASR", made["twin"][:, :1].tolist()),
    ]  # fmt: skip
    spoken = "; ".join(
        f"w {w:g}: labels changed {a.mean():.0%} ({a.min():.0%} to {a.max():.0%}), clean label {b.mean():.0%} "
        f"({b.min():.0%} to {b.max():.0%}), twin {t[0]:.0%}, twin's RA {t[1]:.0%}"
        for w, a, b, t in zip(made["w"], changed, clean, made["twin"], strict=True)
    )
    return plots.over_strength(
        made["w"].tolist(), curves, title="306 of 6,000 training pictures behind the same panes; mean and range of 3 seeds",
        alt=f"ASR over w. {spoken}.",
    )  # fmt: skip


CLAIMS = (
    Claim("not the target, MNIST", 24.84, True, 0.00, 0.01, 0.02, True),
    Claim("not the target, signs", 24.84, True, 4.83, 5.42, 5.89, True),
    Claim("not the target, GTSRB (1 seed)", 24.84, True, 2.69, 2.69, 2.69, True),
    Claim("still read rightly, GTSRB (1 seed)", 12, True, 2.31, 2.31, 2.31, True),
)
"""Per cent, clean label, w .7, one chosen scene; printed by `bdlab reproduce refool --data NAME` (docs/results.md)."""


def published() -> plots.Plot:
    """The abstract's and the README's figures, and ours."""
    spoken = " ".join(
        f"{one.name}: paper at most {one.published:g} %, here {one.mean:g} % ({one.low:g} to {one.high:g} %)." for one in CLAIMS
    )
    return plots.paper_and_here(
        CLAIMS, title="clean label, ghost, w = .7: read as something else than the target (1 - ASR), and still read rightly",
        xlabel="per cent of test pictures behind the pane: left is better for the attacker",
        alt=f"A dot plot, in per cent, on a logarithmic axis. {spoken}",
    )  # fmt: skip


SHARES = (0.2, 0.5, 0.8)
REAL = {
    "same depth": (0.8672, 0.8748, 0.9128),
    "out of focus": (0.5970, 0.5438, 0.7122),
    "ghost": (0.7523, 0.9059, 0.9311),
}
"""ASR on GTSRB over SHARES of the target class, clean label, w .7, one chosen scene, one seed (docs/results.md)."""


def on_real_data() -> plots.Plot:
    """The three models on GTSRB, measured before."""
    spoken = " ".join(
        f"{name}: " + ", ".join(f"{s:.0%} of the class {a:.0%}" for s, a in zip(SHARES, asrs, strict=True)) + "."
        for name, asrs in REAL.items()
    )
    return plots.over_strength(
        SHARES, [(name, [[share] for share in asrs]) for name, asrs in REAL.items()], ylabel="ASR",
        title="GTSRB, 43 classes: clean label, w = .7, one chosen scene, 1 seed", xlabel="marked share of the target class",
        alt=f"ASR over the marked share of the target class. {spoken}",
    )  # fmt: skip
