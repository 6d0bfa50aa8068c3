"""Renders the report of an evaluation as one self-contained HTML page. Pure: no I/O."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator, Sequence
from functools import cache
from operator import itemgetter
from typing import TYPE_CHECKING

from lsh_core.evaluation.drawings import Drawing
from lsh_core.evaluation.evaluation_report import EvaluationReport
from lsh_core.evaluation.number_format import per_cent, whole
from lsh_core.evaluation.remedies import diagnose
from lsh_core.models.effort import Effort

if TYPE_CHECKING:
    from jinja2 import Template
    from markupsafe import Markup

_TEMPLATE = "report.html.jinja"
_MAX_HISTOGRAM_ROWS = 20


def report_page(result: EvaluationReport, drawings: Sequence[Drawing]) -> str:
    """Return the page of an evaluation; equal figures give equal text.

    The page needs no network and no script. The template escapes all external text, such as names and tokens.
    """
    return _template().render(
        result=result,
        drawings={each.key: each for each in drawings},
        warnings=list(diagnose(result)),
        own_effort="a scan of all rows" if result.effort is None else str(Effort(result.effort_name, result.effort)),
        depths=sorted(((int(depth), found) for depth, found in result.recall_at.items()), key=itemgetter(0)),
        health=result.health,
        counted=any(point.scored is not None for point in result.curve),
        histogram=list(histogram_rows(result.histogram)),
    )


def histogram_rows(counts: Sequence[int]) -> Iterator[tuple[str, int]]:
    """Yield the number of queries by found neighbours, most first.

    Many neighbours are grouped in about ten ranges.
    """
    maximum = len(counts) - 1
    width = 1 if maximum <= _MAX_HISTOGRAM_ROWS else math.ceil(maximum / 10)
    for upper in range(maximum, -1, -width):
        lower = max(0, upper - width + 1)
        if queries := sum(counts[lower : upper + 1]):
            yield f"{upper}" if lower == upper else f"{lower} to {upper}", queries


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("lsh_core.evaluation"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"image": _image, "whole": whole, "share": per_cent, "code": _code}
    return environment.get_template(_TEMPLATE)


def _image(svg: str) -> str:
    """Return a data address of the drawing: as an image, its ids and styles stay separate from the page."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def _code(text: str) -> Markup:
    """Return `text` with backquoted parts as code."""
    from markupsafe import Markup

    parts = text.split("`")
    return Markup("").join(Markup("<code>{}</code>").format(part) if n % 2 else part for n, part in enumerate(parts))
