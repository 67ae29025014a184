"""What all widgets share: how they look in light and dark, where controls stand, what is said aloud.

Only what ipywidgets itself brings, so that they work on Colab; HTML with JupyterLab's own colours where it has none.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ipywidgets import HTML, Button, HBox, VBox, Widget

STYLE = """<style>
.bdlab-panel { border: 1px solid var(--jp-border-color2, #8888); border-radius: 6px; padding: 10px 14px;
  max-width: 900px; box-sizing: border-box; overflow: hidden; }
.bdlab-panel, .bdlab-panel .widget-html-content { color: var(--jp-content-font-color1, inherit); line-height: 1.45; }
.bdlab-panel .widget-html { height: auto; }
.bdlab-panel .widget-html-content { white-space: normal; overflow-wrap: break-word; width: 100%; }
.bdlab-panel p { margin: 2px 0; }
.bdlab-panel .widget-hbox, .bdlab-panel .widget-vbox { overflow: visible; }
.bdlab-panel img { max-width: 100%; height: auto; border-radius: 6px; vertical-align: top; }
body[data-jp-theme-light="false"] .bdlab-panel img { filter: brightness(0.86); }
.bdlab-panel button.jupyter-button { height: auto; min-height: 34px; line-height: 1.35; padding: 6px 12px;
  white-space: normal; text-align: left; overflow: visible; border-radius: 4px; flex: none;
  border: 1px solid var(--jp-border-color1, #8888);
  color: var(--jp-ui-font-color1, inherit); background-color: var(--jp-layout-color2, #8882); }
.bdlab-panel button.jupyter-button:hover { border-color: var(--jp-brand-color1, #2196f3); box-shadow: none; }
.bdlab-panel button.jupyter-button:focus-visible { outline: 3px solid var(--jp-brand-color1, #2196f3);
  outline-offset: 1px; }
.bdlab-panel button.bdlab-right { border: 2px solid #009E73; }
.bdlab-panel button.bdlab-wrong { border: 2px dashed #D55E00; }
.bdlab-panel button.jupyter-button.bdlab-cell { width: 32px; min-width: 0; height: 32px; min-height: 0; padding: 0;
  margin: 0; border-radius: 0; border: 1px solid #5a5a5a; }
.bdlab-panel button.jupyter-button.bdlab-cursor { border: 3px solid #D55E00; }
.bdlab-panel .bdlab-quiet { color: var(--jp-content-font-color2, inherit); font-size: 90%; }
.bdlab-panel .bdlab-dead { display: none; }
.bdlab-panel .jupyter-widgets-disconnected .bdlab-dead { display: block; font-weight: bold; }
.bdlab-panel .jupyter-widgets-disconnected .bdlab-quiet { display: none; }
.bdlab-panel button.jupyter-widgets-disconnected { opacity: 0.55; }
.bdlab-panel.jupyter-widgets-disconnected::before, .bdlab-panel .jupyter-widgets-disconnected::before { content: none; }
</style>"""
"""JupyterLab marks every widget whose kernel is gone with a class, and a broken chain before each: one line says it here."""
DEAD = '<p class="bdlab-dead">⚠ The kernel was restarted, and this cannot react any more: run this cell again.</p>'


def text(content: str = "") -> HTML:
    """Words that are read once: `content` is HTML."""
    from ipywidgets import HTML

    return HTML(content, layout={"width": "100%", "margin": "0 0 4px 0"})


def status(quiet: str = "") -> HTML:
    """Words that a screen reader says when they change, by `say`; `quiet` stands there before."""
    region = text()
    region.value = _region(f'<p class="bdlab-quiet">{html.escape(quiet)}</p>' if quiet else "")
    return region


def say(region: HTML, words: str, rest: str = "") -> None:
    """Put words into a `status`, the first ones in bold."""
    rest = f" {html.escape(rest)}" if rest else ""
    region.value = _region(f"<p><b>{html.escape(words)}</b>{rest}</p>")


def _region(content: str) -> str:
    return f'<div role="status" aria-live="polite" aria-atomic="true">{content}</div>{DEAD}'


def button(description: str, tooltip: str | None = None, width: str = "auto") -> Button:
    """One tab stop, pressed by Enter or Space.  tooltip: what it does, where its description is only a sign."""
    from ipywidgets import Button

    return Button(description=description, tooltip=tooltip, layout={"width": width, "margin": "2px"})


def panel(children: Sequence[Widget], plain: str, picture: str = "") -> VBox:
    """A frame round widgets.  plain: what is shown in their place where widgets cannot be; picture: the same, as HTML."""
    from ipywidgets import VBox

    class Panel(VBox):
        """A box that leaves words and a picture in the saved notebook, not a list of its parts."""

        def _repr_mimebundle_(self, **named: Any) -> dict[str, Any]:
            bundle = super()._repr_mimebundle_(**named)
            still = {"text/html": f"{picture}<p>{html.escape(plain)}</p>"} if picture else {}
            return {**bundle, **still, "text/plain": plain}

    box = Panel([text(STYLE), *children])
    box.add_class("bdlab-panel")
    return box


def beside(controls: Sequence[Widget], picture: Sequence[Widget]) -> HBox:
    """Controls at the left of a picture; below each other only where the notebook is narrower than about 560 pixels."""
    from ipywidgets import HBox, VBox

    left = VBox(list(controls), layout={"flex": "1 1 200px", "min_width": "180px"})
    right = VBox(list(picture), layout={"flex": "3 1 330px", "min_width": "min(100%, 300px)"})
    return HBox([left, right], layout={"flex_flow": "row wrap", "width": "100%", "align_items": "flex-start"})
