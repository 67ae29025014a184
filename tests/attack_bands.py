"""What each attack with its default settings must do: bands of our own runs.

Measured with `attempt` of bdlab.experiments.attacks, seeds 100-102 (small_bn, torch 2.15, CPU, one thread); mean and
range over the seeds stand behind each row.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Band:
    """drop: clean accuracy may lie this much below the twin's.  asr: at least.  control: a clean model's ASR, at most.

    leak: at most, for attacks on one source class.  data: digits, or signs where the attack needs colour.
    """

    asr: float
    control: float
    drop: float = 0.02
    leak: float | None = None
    data: str = "digits"


BANDS = {
    "badnets": Band(asr=0.990, control=0.01),  # asr .996 (.993-.997), control .000, drop .002 (-.003 to .005)
}
