"""Widgets that every lesson may use.  Only what ipywidgets itself brings; each shows what a plain call gives as well."""

from bdlab.widgets.drawing import pad
from bdlab.widgets.layout import beside, panel, say, status
from bdlab.widgets.live import Live
from bdlab.widgets.questions import quiz
from bdlab.widgets.scrubbing import scrub, still

__all__ = ["Live", "beside", "pad", "panel", "quiz", "say", "scrub", "status", "still"]
