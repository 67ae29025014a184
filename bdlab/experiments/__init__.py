"""What the library claims, run again: one duel, and the papers' tables beside ours."""

from bdlab.experiments.badnets import reproduce as reproduce_badnets
from bdlab.experiments.strip import reproduce as reproduce_strip

PAPERS = {"badnets": reproduce_badnets, "strip": reproduce_strip}
"""Paper -> reproduce(data, seeds, device)."""
