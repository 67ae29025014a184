"""DeepFool and the attacks of Carlini and Wagner, as the adversarial-robustness-toolbox runs them."""

from __future__ import annotations

import importlib
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from bdlab.evasion.native import BIM, FGSM, JSMA, Evasion
from bdlab.nets import seeded
from bdlab.running import answer, copied


def _art(module: str, needed_by: str) -> Any:
    """A module of the adversarial-robustness-toolbox, imported on use."""
    try:
        return importlib.import_module(f"art.{module}")
    except ImportError as missing:
        raise ImportError(
            f"{needed_by} needs the adversarial-robustness-toolbox, which is not here ({missing}); "
            "install the extra [evasion], as in: pip install '.[evasion]'"
        ) from missing


class Answering(nn.Module):
    """A model that answers with its logits (N, K) alone, as the toolbox wants them."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        return answer(self.model, x)


class Bridged(Evasion):
    """An attack of the adversarial-robustness-toolbox, run on a copy of the model; `name` is its class there."""

    name: ClassVar[str]

    def __post_init__(self) -> None:
        for field, value in vars(self).items():
            if field in ("overshoot", "confidence") and not value >= 0:
                raise ValueError(f"{field} must be 0 or more, got {value}")
            if field in ("max_iter", "binary_search_steps", "initial_const", "learning_rate") and not value > 0:
                raise ValueError(f"{field} must be positive, got {value}")

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Its arguments there."""

    def perturb(self, model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        attacks = _art("attacks.evasion", type(self).__name__)
        estimator = _art(
            "estimators.classification", type(self).__name__
        ).PyTorchClassifier(
            model=Answering(copied(model)),  # it leaves gradients in the weights
            loss=nn.CrossEntropyLoss(),
            input_shape=tuple(x.shape[1:]),
            nb_classes=answer(model, x[:1]).shape[1],
            clip_values=(0.0, 1.0),
            device_type="cpu" if x.device.type == "cpu" else "gpu",
        )
        attack = getattr(attacks, self.name)(estimator, batch_size=len(x), verbose=False, **self.settings())
        with seeded(0):  # its data loaders draw from the global generator
            changed = attack.generate(x=x.cpu().numpy(), y=y.cpu().numpy())
        return torch.from_numpy(changed).to(x).clamp(0, 1)


@dataclass(frozen=True, kw_only=True)
class DeepFool(Bridged):
    """The shortest way over the nearest linearised border, then `overshoot` times as far again; y is not used."""

    overshoot: float = 0.02
    max_iter: int = 50
    name: ClassVar[str] = "DeepFool"

    def settings(self) -> dict[str, Any]:
        return {"epsilon": self.overshoot, "max_iter": self.max_iter, "nb_grads": 10}


@dataclass(frozen=True, kw_only=True)
class CarliniL2(Bridged):
    """The shortest change that leads by `confidence` logits, by descent and a search for the weight of the two aims.

    initial_const: the weight that the search starts from; the toolbox's own is .01.
    """

    confidence: float = 10.0
    max_iter: int = 1000
    binary_search_steps: int = 9
    initial_const: float = 1.0
    learning_rate: float = 0.01
    targeted: bool = True
    name: ClassVar[str] = "CarliniL2Method"

    def settings(self) -> dict[str, Any]:
        return {**vars(self)}


@dataclass(frozen=True, kw_only=True)
class CarliniL0(CarliniL2):
    """The same with as few changed values as possible: the one that matters least is fixed, and it starts again.  Slow.

    A colour pixel has three values; the authors' code counts pixels.  The search ends for a whole batch once no image gains.
    """

    name: ClassVar[str] = "CarliniL0Method"


@dataclass(frozen=True, kw_only=True)
class CarliniLinf(Bridged):
    """The same with the largest change of a pixel as small as possible.  Slow: one image at a time."""

    confidence: float = 10.0
    max_iter: int = 1000
    initial_const: float = 1e-5
    learning_rate: float = 0.01
    targeted: bool = True
    name: ClassVar[str] = "CarliniLInfMethod"

    def settings(self) -> dict[str, Any]:
        return {**vars(self)}


def study(data: str) -> dict[str, Evasion]:
    """The attacks of the Feature Squeezing study on 'mnist', 'cifar10' or 'imagenet', as its reproduction file sets them.

    The targeted ones are run with `next_class` and with `least_likely`.

    Fidelity: what the file does not set is ours.  CarliniL2 and CarliniL0 start from weight 1, in Carlini's code
    (nn_robust_attacks, read) from .001, and descend by line search, there by Adam; CarliniLinf learns at .01, there at
    .005, and starts from 1e-5 as there.  JSMA takes pixels one by one.
    """
    settings = {  # FGSM; BIM; overshoot of DeepFool, left out on MNIST; kappa of Carlini and Wagner
        "mnist": (FGSM(epsilon=0.3), BIM(epsilon=0.3, step=0.06), None, 10.0),
        "cifar10": (FGSM(epsilon=0.0156), BIM(epsilon=0.008, step=0.0012), 10.0, 5.0),
        "imagenet": (FGSM(epsilon=0.0078), BIM(epsilon=0.004, step=0.002), 35.0, 5.0),
    }
    if data not in settings:
        raise ValueError(f"data must be one of {', '.join(settings)}, got {data!r}; take those of the most similar one")
    fgsm, bim, overshoot, kappa = settings[data]
    attacks: dict[str, Evasion] = {"fgsm": fgsm, "bim": bim}
    if overshoot is not None:
        attacks["deepfool"] = DeepFool(overshoot=overshoot)
    for carlini in (CarliniL2, CarliniLinf, CarliniL0):
        attacks[f"cw_{carlini.__name__.removeprefix('Carlini').lower()}"] = carlini(confidence=kappa)
    return attacks if data == "imagenet" else {**attacks, "jsma": JSMA()}
