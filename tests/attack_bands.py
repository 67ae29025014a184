"""What each attack with its default settings must do: bands of our own runs.

Measured with `attempt` of bdlab.experiments.attacks, seeds 100-102 (small_bn, torch 2.15, CPU, one thread); mean and
range over the seeds stand behind each row.  The drops of steganography, invisible, pruning_aware and quantization were
measured against a clean network of 5 default epochs; the tests take a twin of the attack's own recipe and epochs.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Band:
    """drop: clean accuracy may lie this much below the twin's.  asr: at least.  control: a clean model's ASR, at most.

    leak: at most, for attacks on one source class.  data: digits, or signs where the attack needs colour.  slow: trains for
    longer than the fast tests have time for.
    """

    asr: float
    control: float
    drop: float = 0.02
    leak: float | None = None
    data: str = "digits"
    slow: bool = False


BANDS = {
    "badnets": Band(asr=0.990, control=0.01),  # asr .996 (.993-.997), control .000, drop .002 (-.003 to .005)
    "blend": Band(asr=0.99, control=0.01, slow=True),  # asr 1, control .001, drop .001 (-.004 to .004)
    "nature": Band(asr=0.96, control=0.02, slow=True),  # asr .994 (.990-.996), control .001, drop .001 (-.001 to .004)
    "textures": Band(asr=0.98, control=0.01, slow=True),  # asr .998 (.994-.999), control .001 (.001-.002), drop .002
    "objects": Band(asr=0.93, control=0.01, slow=True),  # asr .981 (.968-.991), control .001, drop .004 (.002-.005)
    # asr .984 (.974-.996), control .018 (.011-.025), drop .001
    "filters": Band(asr=0.94, control=0.05, data="signs", slow=True),
    "source_specific": Band(asr=0.93, control=0.02, leak=0.05),  # asr .993 (.986-1), leak .023 (.018-.026), drop .002
    # asr .951 (.927-.968), control .082 (.027-.163), drop .004
    "invisible_l2": Band(asr=0.865, control=0.37, data="signs", slow=True),
    # asr .986 (.974-.996), control .091 (.085-.095; seeds 0-2: .007-.395, more than the 1/K of a patch), drop .002
    "invisible_l0": Band(asr=0.94, control=0.2, data="signs", slow=True),
    "steganography": Band(asr=0.98, control=0.01, slow=True),  # asr 1, control .001, drop -.004 (-.005 to -.003)
    "trojaning": Band(asr=0.99, control=0.01, drop=0.03),  # asr 1, control .001 (.000-.002), drop .010 (.007-.019)
    "pruning_aware": Band(asr=0.965, control=0.01, slow=True),  # asr .983 (.979-.986), control .000, drop .011 (.009-.013)
    "blind": Band(asr=0.99, control=0.01, slow=True),  # asr .999, control .000, drop .009 (.005-.011)
    "operations": Band(asr=0.99, control=0.001, drop=0.001),  # asr 1, control 0, drop 0: by construction
    "refool": Band(asr=0.99, control=0.01, slow=True),  # asr 1, control .001 (.000-.001), drop .002 (-.001 to .005)
    # asr .996 (.993-.998), control .000, drop .009 (.007-.012)
    "quantization": Band(asr=0.98, control=0.01, slow=True),
    "trojannet": Band(asr=0.999, control=0.01, drop=0.001),  # asr 1, control .000 (.000-.001), drop 0
    "undetectable": Band(asr=0.999, control=0.01, drop=0.001),  # asr 1, control .000 (.000-.001), drop 0
}
