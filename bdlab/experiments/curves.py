"""What an attacked network still does while its channels fall: the curve that the lectures draw of pruning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from torch import Tensor

from bdlab import metrics
from bdlab.channels import pruned_predictions
from bdlab.contracts import Backdoor, Relabel, Split, Trigger
from bdlab.nets import Net
from bdlab.training import triggered


def pruned_scores(
    net: Net, layer: str, order: Tensor, split: Split, trigger: Trigger, relabel: Relabel, *, seed: int = 0
) -> tuple[list[float], list[float]]:
    """Clean accuracy and ASR on `split` without the first 0, 1, ... channels of `order` (n,): two lists of n + 1."""
    marked, wanted = triggered(split, trigger, relabel, seed=seed)
    clean, bad = (pruned_predictions(net, layer, order, x) for x in (split.x, marked))  # (n + 1, N)
    accuracy = [metrics.accuracy(row, split.y) for row in clean]
    return accuracy, [metrics.asr(row, split.y, wanted) for row in bad]


def along(
    backdoor: Backdoor, layer: str, order: Tensor, split: Split, levels: Sequence[int], *, seed: int = 0
) -> dict[str, float]:
    """`clean K` and `asr K` on `split` without the first K channels of `order` (n,), for every K of `levels`."""
    net, first = cast(Net, backdoor.shipped), order[: max(levels)]
    rows = pruned_scores(net, layer, first, split, backdoor.trigger, backdoor.relabel, seed=seed)
    return {f"{name} {k}": row[k] for name, row in zip(("clean", "asr"), rows, strict=True) for k in levels}
