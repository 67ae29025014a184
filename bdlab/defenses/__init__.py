"""The four families of the lectures: input reformation, input filtering, model sanitization, model inspection."""

from bdlab.defenses.strip import Strip

__all__ = ["Strip"]
