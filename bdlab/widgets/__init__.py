"""Widgets that every lesson may use.  Only what ipywidgets itself brings; each shows what a plain call gives as well."""

from bdlab.widgets.layout import beside, panel, say, status
from bdlab.widgets.questions import quiz
from bdlab.widgets.scrubbing import scrub, still

__all__ = ["beside", "panel", "quiz", "say", "scrub", "status", "still"]
