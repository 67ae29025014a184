"""Lesson 02 on real data: the figures that `bdlab.lessons.l02_measured` keeps.

`BDLAB_DATA=FOLDER python solutions/02_threats/real.py` prints them; about ten minutes on one core.
"""

from __future__ import annotations

from bdlab.lessons.l02_measured import errors, on_gtsrb

CLAIMS = {
    "MNIST, one layer, epsilon .25": ("mnist", 0.25, True, 3),
    "MNIST, convolutions, epsilon .25": ("mnist", 0.25, False, 2),
}

if __name__ == "__main__":
    print(on_gtsrb(), flush=True)
    for name, (data, epsilon, shallow, epochs) in CLAIMS.items():
        found_errors = [errors(data, epsilon, shallow, seed, epochs) for seed in (0, 1, 2)]
        print(name, [round(one, 2) for one in found_errors], f"mean {sum(found_errors) / 3:.2f}", flush=True)
