"""How a backdoor gets into a model: one paper, one file."""

from bdlab.attacks.badnets import BadNets

__all__ = ["BadNets"]
