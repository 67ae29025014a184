"""What the library claims, run again: one duel, and the papers' tables beside ours."""

import importlib
from collections.abc import Callable

from bdlab.experiments.claims import Reproduction

PAPERS = (
    "attacks",
    "availability",
    "badnets",
    "blend",
    "deep_inspect",
    "feature_squeezing",
    "filters",
    "fine_pruning",
    "linf_pruning",
    "neural_cleanse",
    "operations",
    "pruning_aware",
    "quantization",
    "rbd",
    "refool",
    "strip",
    "trojaning",
    "trojannet",
    "undetectable",
)
"""The modules of this package with a `reproduce(data, seeds, device, journal)`."""


def find(paper: str) -> Callable[..., Reproduction]:
    """The `reproduce` of `paper`; an unknown name gets an error that lists the known ones."""
    if paper not in PAPERS:
        raise ValueError(f"paper must be one of {', '.join(PAPERS)}; got {paper!r}")
    run: Callable[..., Reproduction] = importlib.import_module(f"bdlab.experiments.{paper}").reproduce
    return run
