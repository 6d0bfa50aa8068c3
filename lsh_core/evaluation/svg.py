"""Renders drawings as SVG in one style; equal figures give equal bytes.

The style is that of ``docs/images/pipeline.svg``: slate on white, green for live builds. The background is white on a
dark page as well, so that the text is legible.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, TEXT, LINE, FAINT, BAND = "#0f172a", "#475569", "#334155", "#cbd5e1", "#e2e8f0"
LIVE, ALERT = "#15803d", "#b45309"

_FONT = "DejaVu Sans"
"""Font of matplotlib, so texts have equal widths everywhere; browsers substitute narrower fonts."""
_SHOWN_IN = "Helvetica, Arial, sans-serif"

_STYLE = {
    "font.family": _FONT,
    "font.size": 10,
    "text.color": INK,
    "text.parse_math": False,  # A dollar in a name is literal.
    "axes.edgecolor": LINE,
    "axes.labelcolor": TEXT,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": BAND,
    "xtick.color": TEXT,
    "ytick.color": TEXT,
    "xtick.minor.bottom": False,
    "ytick.minor.left": False,
    "figure.dpi": 72,
    "figure.constrained_layout.use": True,
    "svg.fonttype": "none",  # Text stays text, for screen readers, search and copying.
}


def drawn(draw: Callable[[Figure], None], *, key: str, alt: str, inches: tuple[float, float]) -> str:
    """Return the SVG of the figure that `draw` fills.

    Parameters
    ----------
    key
        Key of the drawing; it and the content decide the ids in the SVG.
    alt
        Content of the drawing in words.
    inches
        Width and height, 72 units each.
    """
    from matplotlib import style
    from matplotlib.figure import Figure

    written = io.BytesIO()
    with style.context({**_STYLE, "svg.hashsalt": key}, after_reset=True):  # Restored at the end of the block.
        figure = Figure(figsize=inches)
        draw(figure)
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(written, format="svg", metadata=nothing)
    svg = written.getvalue().decode().replace(f"'{_FONT}'", _SHOWN_IN)
    head, tag, body = svg.partition("<svg ")
    attributes, _, content = body.partition(">")
    return f'{head}{tag}role="img" aria-label={quoteattr(alt)} {attributes}>\n <title>{escape(alt)}</title>{content}'
