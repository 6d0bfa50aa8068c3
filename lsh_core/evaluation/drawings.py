"""Makes the drawings of an evaluation report, with text alternatives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from lsh_core.evaluation import plots
from lsh_core.evaluation.evaluation_report import EvaluationReport
from lsh_core.evaluation.hash_health import HashHealth
from lsh_core.evaluation.number_format import per_cent
from lsh_core.evaluation.svg import drawn
from lsh_core.models.effort import Effort

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WIDTH, _HEIGHT = 7.6, 3.3
_FRAME_HEIGHT, _BAR_HEIGHT = 0.9, 0.26


@dataclass(frozen=True)
class Drawing:
    """Drawing with its text alternative.

    Attributes
    ----------
    key
        Name in the page and in file names.
    alt
        Content of the drawing in words and figures.
    """

    key: str
    alt: str
    svg: str


def drawings(result: EvaluationReport) -> Iterator[Drawing]:
    """Yield the drawings of an evaluation, with hash health if it was measured."""
    first, last = result.curve[0], result.curve[-1]
    k, unit = result.k, result.effort_name
    rising = f"from {first.effort:,} to {last.effort:,} {unit}"
    own = "scan all rows by default" if result.effort is None else f"default to {Effort(unit, result.effort)}"
    target = "" if result.target is None else f" The target is {result.target:g}."
    yield _drawing(
        "recall",
        partial(plots.draw_recall, result),
        f"Recall@{k} by {unit}: {rising} it goes from {first.recall:.3f} to {last.recall:.3f}. Searches {own}.{target}",
    )
    yield _drawing(
        "frontier",
        partial(plots.draw_frontier, result),
        f"Milliseconds of a search, and searches a second, by recall@{k}: {rising} the median goes from "
        f"{first.p50_ms:.1f} to {last.p50_ms:.1f} ms, and eight clients go from {first.per_second:,.0f} to "
        f"{last.per_second:,.0f} searches a second.",
    )
    yield _drawing(
        "histogram",
        partial(plots.draw_histogram, result),
        f"Queries by how many of their {k} neighbours they found: "
        f"{per_cent(result.histogram[-1] / result.queries)} found all; 19 of 20 found a share of "
        f"{result.recall_p5:.2f} or more.",
    )
    if first.scored is not None and last.scored is not None and all(each.scored is not None for each in result.curve):
        yield _drawing(
            "scored",
            partial(plots.draw_scored, result),
            f"Rows that are compared with a query: {rising} they go from {first.scored:,.0f} to "
            f"{last.scored:,.0f}, of {result.rows:,}.",
        )
    if health := result.health:
        yield from _health_drawings(health)


def _health_drawings(health: HashHealth) -> Iterator[Drawing]:
    if sizes := health.sizes:
        yield _drawing(
            "sizes",
            partial(plots.draw_sizes, health),
            f"Rows of tokens by rank: from the largest with {sizes[0]:,} rows to the smallest with {sizes[-1]:,}.",
        )
    if largest := health.largest:
        yield _drawing(
            "largest",
            partial(plots.draw_largest, health),
            f"The {len(largest)} largest tokens: {largest[0].token} has {largest[0].rows:,} rows, "
            f"{per_cent(largest[0].share)} of all.",
            height=_FRAME_HEIGHT + _BAR_HEIGHT * len(largest),
        )


def _drawing(key: str, plot: Callable[[Figure], None], alt: str, height: float = _HEIGHT) -> Drawing:
    return Drawing(key, alt, drawn(plot, key=key, alt=alt, inches=(_WIDTH, height)))
