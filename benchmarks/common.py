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
from pathlib import Path
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


class Scale(nn.Module):
    """(x - mean) / 0.5, the normalisation of bdlab's nets."""

    def __init__(self, mean: float) -> None:
        super().__init__()
        self.mean = mean

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / 0.5


def plain_badnets_cnn(seed: int = 0) -> nn.Sequential:
    """bdlab's `badnets_cnn` for MNIST as plain modules, in torch's default memory layout; takes its state_dict."""
    torch.manual_seed(seed)
    stages = {
        "normalize": Scale(0.0),
        "conv1": nn.Sequential(nn.Conv2d(1, 16, 5, padding=2), nn.ReLU(), nn.AvgPool2d(2)),
        "conv2": nn.Sequential(nn.Conv2d(16, 32, 5, padding=2), nn.ReLU(), nn.AvgPool2d(2)),
        "fc1": nn.Sequential(nn.Flatten(), nn.Linear(32 * 7 * 7, 512), nn.ReLU()),
        "head": nn.Linear(512, 10),
    }
    return nn.Sequential(OrderedDict(stages))


def plain_small_bn() -> nn.Sequential:
    """bdlab's `small_bn` for MNIST, in the same way."""

    def conv(into: int, out: int, *pool: nn.Module) -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(into, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU(), *pool)

    stages = {
        "normalize": Scale(0.5),
        "conv1": conv(1, 16, nn.MaxPool2d(2)),
        "conv2": conv(16, 32, nn.MaxPool2d(2)),
        "conv3": conv(32, 64),
        "head": nn.Sequential(nn.Flatten(), nn.Linear(64 * 7 * 7, 10)),
    }
    return nn.Sequential(OrderedDict(stages))


def write(net: nn.Module, path: Path, **tensors: Tensor) -> None:
    """A network's weights and tensors, for the peers."""
    weights = {name: value.contiguous() for name, value in net.state_dict().items()}
    torch.save({"net": weights, "tensors": tensors}, path)


def read(path: str, build: Callable[[], nn.Sequential]) -> tuple[nn.Sequential, dict[str, Tensor]]:
    """What `write` wrote: the network, in eval mode, and the tensors."""
    stored = torch.load(path, weights_only=True)
    net = build().eval()
    net.load_state_dict(stored["net"])
    return net, stored["tensors"]


def serve(prepare: dict[str, Callable[[str], Callable[[], Any]]]) -> None:
    """Read lines `NAME FILE` from stdin, run that task once, answer with its CPU seconds as one line of JSON.

    `prepare[NAME](FILE)` returns the work; making it is not timed and done once.  A peer that has the method for other
    frameworks only says so by `NotImplementedError`; that is answered too.  Whatever a peer prints goes to stderr.
    """
    torch.set_num_threads(1)
    answers, sys.stdout = sys.stdout, sys.stderr
    ready: dict[str, Callable[[], Any]] = {}
    for line in sys.stdin:
        if line.split(maxsplit=1)[0] == "forget":
            ready.clear()
            continue
        name, path = line.rstrip("\n").split(maxsplit=1)
        try:
            if name not in ready:
                ready = {name: prepare[name](path)}
            answer: dict[str, Any] = {"seconds": timed(ready[name])[0]}
        except NotImplementedError as refused:
            answer = {"refused": str(refused)}
        print(json.dumps(answer), file=answers, flush=True)


def environment(*, keep_memory: bool) -> dict[str, str]:
    """What every party of a row runs in: one thread and, where `keep_memory`, a glibc that keeps what is freed.

    For a batch's activations it gives memory back or not as earlier allocations have it, and fetching it again costs
    up to as much as a forward pass: an accident of each process that would drown the ratios.  Arrays above 32 MB, which
    are what poisoning makes, are always fetched anew: nothing to even out there.
    """
    kept = dict.fromkeys(("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"), str(2**30))
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    return {**os.environ, **threads, **(kept if keep_memory else {})}
