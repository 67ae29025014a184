"""Every widget of the lessons.  Only what ipywidgets itself brings; each shows what a plain call gives as well."""

from bdlab.widgets.layout import beside, panel, say, status
from bdlab.widgets.painter import painted, trigger_painter
from bdlab.widgets.questions import quiz
from bdlab.widgets.scrubbing import scrub, still

__all__ = ["beside", "painted", "panel", "quiz", "say", "scrub", "status", "still", "trigger_painter"]
