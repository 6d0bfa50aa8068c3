"""Renders the figures of an evaluation as lines of text."""

from __future__ import annotations

from collections.abc import Iterator

from lsh_core.evaluation.evaluation_report import EvaluationReport
from lsh_core.evaluation.health_lines import health_lines
from lsh_core.evaluation.remedies import diagnose
from lsh_core.models.effort import Effort

_COLUMNS = ("recall", "at least", "scored", "p50 ms", "p95 ms", "p99 ms", "8 clients/s")


def report_lines(result: EvaluationReport) -> Iterator[str]:
    """Yield the lines of an evaluation."""
    kind = "own queries" if result.own_queries else "indexed rows, each excluded from its own result"
    yield f"{result.name}: build {result.build}, {result.model}, {result.metric}, {result.rows:,} rows"
    yield f"{result.queries:,} {kind}; {result.k} neighbours; at least: 95 % lower bound of the mean"
    yield ""
    yield f"{result.effort_name:>12}  " + "  ".join(f"{column:>11}" for column in _COLUMNS)
    for point in result.curve:
        scored = "-" if point.scored is None else f"{point.scored:,.0f}"
        mark = "*" if point.effort == result.effort else " "
        yield (
            f"{point.effort:>11,}{mark}  {point.recall:>11.4f}  {point.recall_low:>11.4f}  "
            f"{scored:>11}  {point.p50_ms:>11.2f}  {point.p95_ms:>11.2f}  {point.p99_ms:>11.2f}  "
            f"{point.per_second:>11,.0f}"
        )
    yield ""
    effort = "a scan of all rows" if result.effort is None else f"{Effort(result.effort_name, result.effort)} (*)"
    depths = ", ".join(f"recall@{depth} {found.recall:.4f}" for depth, found in result.recall_at.items())
    yield f"default effort: {effort}; {depths}; 5th percentile of recall@{result.k} {result.recall_p5:.2f}"
    if result.distance_ratio is not None:
        yield f"distances are {result.distance_ratio:.5f} times the true ones"
    if result.health is not None:
        yield from health_lines(result.health)
    for warning in diagnose(result):
        yield f"warning: {warning.what} {warning.remedy}"
    if result.report is not None:
        yield f"report: {result.report}"
