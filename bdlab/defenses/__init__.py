"""The four families of the lectures: input reformation, input filtering, model sanitization, model inspection."""

from bdlab.defenses.deep_inspect import DeepInspect
from bdlab.defenses.feature_squeezing import FeatureSqueezing
from bdlab.defenses.fine_pruning import FinePruning, FineTuning, Pruning
from bdlab.defenses.linf_pruning import LinfPruning
from bdlab.defenses.neural_cleanse import NeuralCleanse
from bdlab.defenses.rbd import Rbd
from bdlab.defenses.squeezers import BitDepth, Median, NonLocalMeans
from bdlab.defenses.strip import Strip

__all__ = [
    "BitDepth",
    "DeepInspect",
    "FeatureSqueezing",
    "FinePruning",
    "FineTuning",
    "LinfPruning",
    "Median",
    "NeuralCleanse",
    "NonLocalMeans",
    "Pruning",
    "Rbd",
    "Strip",
]
