"""How a backdoor gets into a model: one paper, one file."""

from bdlab.attacks.badnets import BadNets
from bdlab.attacks.blend import BlendedInjection
from bdlab.attacks.blind import Blind
from bdlab.attacks.filters import FilterInjection
from bdlab.attacks.fourier import FourierBackdoor
from bdlab.attacks.invisible import InvisibleL0, InvisibleL2, Steganography
from bdlab.attacks.nature import NatureInjection
from bdlab.attacks.objects import ObjectInjection
from bdlab.attacks.operations import OperationBackdoor
from bdlab.attacks.pruning_aware import PruningAware
from bdlab.attacks.quantization import Quantization
from bdlab.attacks.refool import Refool
from bdlab.attacks.source_specific import SourceSpecific
from bdlab.attacks.textures import TextureInjection
from bdlab.attacks.trojaning import Trojaning
from bdlab.attacks.trojannet import TrojanNet
from bdlab.attacks.undetectable import SignatureBackdoor

__all__ = [
    "BadNets",
    "BlendedInjection",
    "Blind",
    "FilterInjection",
    "FourierBackdoor",
    "InvisibleL0",
    "InvisibleL2",
    "NatureInjection",
    "ObjectInjection",
    "OperationBackdoor",
    "PruningAware",
    "Quantization",
    "Refool",
    "SignatureBackdoor",
    "SourceSpecific",
    "Steganography",
    "TextureInjection",
    "TrojanNet",
    "Trojaning",
]
