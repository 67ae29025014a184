"""nbgrader's feedback page, made in a fraction of the time: what all students share is rendered once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jinja2 import pass_context
from nbconvert.exporters import HTMLExporter
from nbconvert.exporters.templateexporter import TemplateExporter
from nbconvert.filters import Highlight2HTML
from nbconvert.filters.widgetsdatatypefilter import WidgetsDataTypeFilter
from nbformat import NotebookNode


class FeedbackPage(HTMLExporter):
    """nbconvert's page without its second parse of the whole, which is for pictures that lack a description.

    Markdown and code that were rendered before are taken from memory.  One exporter renders a whole class.
    """

    def __init__(self, **options: Any) -> None:
        self.rendered: dict[tuple[str, str], str] = {}
        super().__init__(**options)

    def from_notebook_node(
        self, nb: NotebookNode, resources: dict[str, Any] | None = None, **options: Any
    ) -> tuple[Any, dict[str, Any]]:
        """See nbconvert."""
        lexer = nb.metadata.get("language_info", {}).get("name")
        highlight = Highlight2HTML(pygments_lexer=lexer, parent=self)
        self.register_filter("highlight_code", lambda source, metadata: self._once("code", source, highlight))
        data_types = WidgetsDataTypeFilter(notebook_metadata=self._nb_metadata, parent=self, resources=resources)
        self.register_filter("filter_data_type", data_types)
        return TemplateExporter.from_notebook_node(self, nb, resources, **options)

    @pass_context
    def markdown2html(self, context: Any, source: str) -> str:
        """See nbconvert; our notebooks have no attachments."""
        return self._once("markdown", source, lambda text: HTMLExporter.markdown2html(self, context, text))

    def _once(self, kind: str, source: str, render: Callable[[str], Any]) -> str:
        key = kind, source
        if key not in self.rendered:
            self.rendered[key] = str(render(source))
        return self.rendered[key]
