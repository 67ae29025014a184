"""Evasion: the input is changed a little and the model not at all, which is what a backdoor is not.

FGSM (Goodfellow, Shlens, Szegedy, arXiv 1412.6572), BIM (Kurakin, Goodfellow, Bengio, arXiv 1607.02533) and JSMA
(Papernot, McDaniel, Jha, Fredrikson, Celik, Swami, arXiv 1511.07528) are written out.  DeepFool (Moosavi-Dezfooli, Fawzi,
Frossard, arXiv 1511.04599) and the three attacks of Carlini and Wagner (arXiv 1608.04644) come from the
adversarial-robustness-toolbox, the extra [evasion]; `DescentL2`, `DescentLinf` and `DescentL0` are the last three written
out, since the toolbox's seldom reach a class that is asked for.  `study("mnist")` gives those of the toolbox and the first
three with the settings of Feature Squeezing (Xu, Evans, Qi, NDSS 2018).

Every attack is called as `attack(model, x, y)`: y (N,) are the classes to leave, or the classes to reach where
`targeted=True`; left out, the classes to leave are the model's own answers.
"""

from bdlab.evasion.carlini import DescentL0, DescentL2, DescentLinf
from bdlab.evasion.native import BIM, FGSM, JSMA, Evasion, Head, differentiating, jsma, lead, least_likely, next_class
from bdlab.evasion.toolbox import CarliniL0, CarliniL2, CarliniLinf, DeepFool, study

ATTACKS = (
    "FGSM",
    "BIM",
    "JSMA",
    "DeepFool",
    "CarliniL0",
    "CarliniL2",
    "CarliniLinf",
    "DescentL0",
    "DescentL2",
    "DescentLinf",
)
"""Names of the classes that attack."""
__all__ = [
    "ATTACKS",
    "BIM", "FGSM", "JSMA", "CarliniL0", "CarliniL2", "CarliniLinf", "DeepFool", "DescentL0", "DescentL2",
    "DescentLinf", "Evasion", "Head", "differentiating", "jsma", "lead", "least_likely", "next_class", "study",
]  # fmt: skip
