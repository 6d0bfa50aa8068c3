"""Formats an index report as lines of text."""

from __future__ import annotations

from collections.abc import Iterator

from lsh_core.builds.node_load import NodeLoad
from lsh_core.jobs.index_report import IndexReport
from lsh_core.sources.source_facts import source_lines

_ONLY_IF_ANY = {"replaced"}
_COUNTS = ("rows_read", "accepted", "repeated", "replaced", "dead_lettered", "skipped")


def report_lines(report: IndexReport) -> Iterator[str]:
    """Yield the lines of a report."""
    ended = f"live as {report.alias}" if report.promoted else f"{report.state}, not promoted"
    yield f"build {report.build}: {ended}"
    yield f"  index      {report.index}"
    yield f"  model      {report.model_id}"
    yield from source_lines(report)
    yield "  rows       " + ", ".join(
        f"{count:,} {key.replace('_', ' ')}" for key in _COUNTS if _shown(key, count := getattr(report, key))
    )
    if report.rows_beyond_norm:
        yield f"  beyond     {report.rows_beyond_norm:,} rows are longer than the trained norm of the model"
    if report.documents is not None:
        yield f"  documents  {report.documents:,}"
    if report.recall is not None:
        yield f"  recall@10  {_recall(report)}"
    if report.columns_left_out:
        yield f"  left out   columns {', '.join(report.columns_left_out)}: the index of a data frame"
    for warning in report.warnings:
        yield f"  warning    {warning['what']} {warning['remedy']}"
    for node in report.nodes:
        yield (
            f"  node       {node.node}: {node.chunks} chunks, {node.requests} requests, "
            f"{node.rows:,} rows, {node.retried} sent again" + "".join(_troubles(node))
        )
    yield "  seconds    " + ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in report.seconds.items())
    if report.error:
        yield f"  error      {report.error}"


def _shown(key: str, count: int | None) -> bool:
    return count is not None and (count > 0 or key not in _ONLY_IF_ANY)


def _recall(report: IndexReport) -> str:
    if report.effort is None:
        return f"1.000: searches scan all rows, as nothing less was sure to find {report.recall_target} of the nearest"
    low, target = report.recall_low or 0.0, report.recall_target or 0.0
    met = "" if low >= target else f"; the target of {target} is not met: train a model with more to find, or ivf"
    return (
        f"{report.recall:.3f}, at least {low:.3f} (95 % sure, by {report.recall_queries:,} rows), "
        f"at effort {report.effort}{met}"
    )


def _troubles(node: NodeLoad) -> Iterator[str]:
    """Yield the problems of a node."""
    if node.unreachable:
        yield f"; {node.unreachable} requests without an answer"
    if node.away_seconds:
        yield f"; away for {node.away_seconds:.1f} s"
    if node.waited_for_primary:
        yield f"; {node.waited_for_primary:,} rows waited for a primary shard"
    if node.too_busy:
        yield f"; too busy for {node.too_busy} requests"
    if node.blocked:
        yield f"; {node.blocked} requests met a block on writes"
