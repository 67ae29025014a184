"""Lesson 01's figures of what was measured before, printed by a command that stands there."""

from __future__ import annotations

from bdlab import plots
from bdlab.plots import Claim

CLAIMS = (
    Claim("no hidden layer", 12.0, False, 7.93, 7.97, 8.01, True),
    Claim("300 hidden neurons", 4.7, False, 2.81, 2.88, 2.98, True),
    Claim("convolutions (LeNet-5; our reader)", 0.95, False, 0.94, 1.18, 1.47, False),
)
"""Test errors on MNIST in per cent: LeCun et al. 1998 without distortions, and ours over 3 seeds, 300,000 images shown,
printed by `BDLAB_DATA=FOLDER python solutions/01_networks/mnist.py`; holds: ours is as low or lower."""


def published() -> plots.Plot:
    """Three networks on MNIST: test errors of 1998, and ours."""
    spoken = " ".join(
        f"{one.name}: 1998 {one.published:g} %, here {one.mean:g} % ({one.low:g} to {one.high:g} %)." for one in CLAIMS
    )
    return plots.paper_and_here(
        CLAIMS,
        least=0.5,
        xlabel="per cent of the 10,000 test images read wrongly",
        words=("as low here", "higher here"),
        title="MNIST: three networks, 1998 and here",
        alt=f"A dot plot of test errors on MNIST, on a logarithmic axis. {spoken}",
    )
