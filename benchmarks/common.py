"""What both interpreters share, ours and the peers': a clock, the plain network, and a worker that runs tasks when told."""

from __future__ import annotations

import gc
import json
import os
import resource
import sys
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


def cpu_seconds() -> float:
    """Processor time of this process and of its children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of `work()`, and what it returned."""
    gc.collect()
    start = cpu_seconds()
    result = work()
    return cpu_seconds() - start, result


class Halve(nn.Module):
    """x / 0.5, the normalisation of bdlab's `badnets_cnn`."""

    def forward(self, x: Tensor) -> Tensor:
        return x / 0.5


def plain_badnets_cnn(seed: int = 0) -> nn.Sequential:
    """bdlab's `badnets_cnn` for MNIST as plain modules, in torch's default memory layout; takes its state_dict."""
    torch.manual_seed(seed)
    stages = {
        "normalize": Halve(),
        "conv1": nn.Sequential(nn.Conv2d(1, 16, 5, padding=2), nn.ReLU(), nn.AvgPool2d(2)),
        "conv2": nn.Sequential(nn.Conv2d(16, 32, 5, padding=2), nn.ReLU(), nn.AvgPool2d(2)),
        "fc1": nn.Sequential(nn.Flatten(), nn.Linear(32 * 7 * 7, 512), nn.ReLU()),
        "head": nn.Linear(512, 10),
    }
    return nn.Sequential(OrderedDict(stages))


def load_strip(path: str) -> tuple[nn.Sequential, dict[str, Tensor]]:
    """The network and the tensors (x, overlays, pool) that our side wrote for STRIP."""
    stored = torch.load(path, weights_only=True)
    net = plain_badnets_cnn().eval()
    net.load_state_dict(stored["net"])
    return net, stored["tensors"]


def serve(prepare: dict[str, Callable[[str], Callable[[], Any]]]) -> None:
    """Read lines `NAME FILE` from stdin, run that task once, answer with its CPU seconds as one line of JSON.

    `prepare[NAME](FILE)` returns the work; making it is not timed and done once.  Whatever a peer prints goes to stderr.
    """
    torch.set_num_threads(1)
    answers, sys.stdout = sys.stdout, sys.stderr
    ready: dict[str, Callable[[], Any]] = {}
    for line in sys.stdin:
        if line.split(maxsplit=1)[0] == "forget":
            ready.clear()
            continue
        name, path = line.rstrip("\n").split(maxsplit=1)
        if name not in ready:
            ready = {name: prepare[name](path)}
        seconds, _ = timed(ready[name])
        print(json.dumps({"seconds": seconds}), file=answers, flush=True)


def environment(*, keep_memory: bool) -> dict[str, str]:
    """What every party of a row runs in: one thread and, where `keep_memory`, a glibc that keeps what is freed.

    For a batch's activations it gives memory back or not as earlier allocations have it, and fetching it again costs
    up to as much as a forward pass: an accident of each process that would drown the ratios.  Arrays above 32 MB, which
    are what poisoning makes, are always fetched anew: nothing to even out there.
    """
    kept = dict.fromkeys(("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"), str(2**30))
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    return {**os.environ, **threads, **(kept if keep_memory else {})}
