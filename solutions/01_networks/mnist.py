"""Lesson 01 on MNIST: test errors of three networks, as `bdlab.lessons.l01_measured` keeps them.

`BDLAB_DATA=FOLDER python solutions/01_networks/mnist.py` prints them; about ten minutes on one core.
"""

from __future__ import annotations

import torch
from torch import nn

from bdlab.data import load
from bdlab.lessons.l01_networks import RATE, Batches, Reader, accuracy, linear_relu, train_epoch
from bdlab.nets import seeded

SEEDS, IMAGES = (0, 1, 2), 300_000
"""Five passes over 60,000 images, each counted as it is shown."""
NETS = {
    "no hidden layer": lambda seed: nn.Sequential(nn.Flatten(), nn.Linear(784, 10)),
    "300 hidden neurons": lambda seed: nn.Sequential(nn.Flatten(), nn.Linear(784, 300), nn.ReLU(), nn.Linear(300, 10)),
    "this lesson's reader": lambda seed: Reader(linear_relu, seed),
}

if __name__ == "__main__":
    data = load("mnist")
    for name, make in NETS.items():
        errors = []
        for seed in SEEDS:
            with seeded(seed):
                model = make(seed)
            loader, optimiser = Batches(data.train, seed), torch.optim.SGD(model.parameters(), RATE)
            for _ in range(IMAGES // 6000):
                train_epoch(model, loader, optimiser)
            errors.append(100 * (1 - accuracy(model, data.test.x, data.test.y, 500)))
            print(f"{name}, seed {seed}: {errors[-1]:.2f} % of {len(data.test)}", flush=True)
        print(
            f"{name}: mean {sum(errors) / 3:.2f}, {min(errors):.2f} to {max(errors):.2f}, {len(data.train)} rows",
            flush=True,
        )
