"""adversarial-robustness-toolbox, run by the peers' interpreter: its own classes, called as its documentation does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from art.attacks.poisoning import PoisoningAttackBackdoor
from art.attacks.poisoning.perturbations import add_pattern_bd
from art.defences.transformer.poisoning import NeuralCleanse
from art.estimators.classification import PyTorchClassifier
from art.estimators.poison_mitigation.strip import STRIPMixin
from common import plain_badnets_cnn, plain_small_bn, read, serve

LABEL = np.zeros(10, np.float32)
LABEL[0] = 1
"""The attacker's label, one-hot as ART wants it."""


def _mark(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A tenth of the images (N, C, H, W), drawn and marked: row numbers (n,) and what became of them (n, C, H, W)."""
    attack = PoisoningAttackBackdoor(lambda images: add_pattern_bd(images, channels_first=True))
    rows = np.random.default_rng(0).permutation(len(x))[: len(x) // 10]
    marked, _ = attack.poison(x[rows], y=LABEL, broadcast=True)
    return rows, marked


def marked(path: str) -> Callable[[], Any]:
    """The marked rows alone."""
    x = np.load(path)
    return lambda: _mark(x)


def poison(path: str) -> Callable[[], np.ndarray]:
    """The poisoned training set: the marked rows in the place of their originals, in a copy."""
    x = np.load(path)

    def work() -> np.ndarray:
        rows, changed = _mark(x)
        poisoned = np.copy(x)
        poisoned[rows] = changed
        return poisoned

    return work


def strip(path: str) -> Callable[[], np.ndarray]:
    """Its STRIP around a bare forward pass, which is faster than around its own classifier.

    Every verdict costs 100 overlays.  Threshold and overlays are set by hand: its calibration is not counted.
    """
    net, tensors = read(path, plain_badnets_cnn)

    def predict(x: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return net(torch.from_numpy(x)).softmax(1).numpy()

    guarded = STRIPMixin(predict, num_samples=100)
    guarded.nb_classes = 10
    guarded.validation_data, guarded.entropy_threshold = tensors["pool"].numpy(), 0.0
    x = tensors["x"].numpy()
    return lambda: guarded.predict(x)


def cleanse(path: str) -> Callable[[], Any]:
    """Its Neural Cleanse around its own classifier for PyTorch; release 1.20 answers with an error: Keras only."""
    net, tensors = read(path, plain_small_bn)
    shape = tuple(tensors["x"].shape[1:])
    classifier = PyTorchClassifier(net, torch.nn.CrossEntropyLoss(), shape, 10, clip_values=(0.0, 1.0))
    cleanser = NeuralCleanse(classifier)(classifier, steps=1, batch_size=128)
    x = tensors["x"][:12_800].numpy()
    return lambda: cleanser.generate_backdoor(x, np.tile(LABEL, (len(x), 1)), LABEL)


if __name__ == "__main__":
    serve({"poison": poison, "marked": marked, "strip": strip, "cleanse": cleanse})
