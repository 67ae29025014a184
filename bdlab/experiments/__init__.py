"""What the library claims, run again: one duel, and the papers' tables beside ours."""

from bdlab.experiments import badnets, strip

PAPERS = {"badnets": badnets.reproduce, "strip": strip.reproduce}
"""Paper -> reproduce(data, seeds)."""
