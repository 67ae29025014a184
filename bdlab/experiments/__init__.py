"""What the library claims, run again: one duel, and the papers' tables beside ours."""

from bdlab.experiments.badnets import reproduce as badnets
from bdlab.experiments.strip import reproduce as strip

PAPERS = {"badnets": badnets, "strip": strip}
"""Paper -> reproduce(data, seeds, device)."""
