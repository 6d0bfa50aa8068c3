"""Index report as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lsh_core.sources.left_out import source_lines

_ONLY_IF_ANY = {"replaced"}
_COUNTS = ("rows_read", "accepted", "repeated", "replaced", "dead_lettered", "skipped")


def report_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a report as `summarise` returns it."""
    ended = f"live as {report['alias']}" if report["promoted"] else f"{report['state']}, not promoted"
    yield f"build {report['build']}: {ended}"
    yield f"  index      {report['index']}"
    yield f"  model      {report['model_id']}"
    yield from source_lines(report)
    yield "  rows       " + ", ".join(
        f"{report[key]:,} {key.replace('_', ' ')}" for key in _COUNTS if _shown(key, report.get(key))
    )
    if report.get("longer_rows"):
        yield f"  longer     {report['longer_rows']:,} rows are longer than all of the model's sample"
    if report.get("documents") is not None:
        yield f"  documents  {report['documents']:,}"
    if report.get("recall") is not None:
        yield f"  recall@10  {_recall(report)}"
    if report.get("columns_left_out"):
        yield f"  left out   columns {', '.join(report['columns_left_out'])}: the index of a data frame"
    for warning in report.get("warnings") or ():
        yield f"  warning    {warning['what']} {warning['remedy']}"
    for node in report["nodes"]:
        yield (
            f"  node       {node['node']}: {node['chunks']} chunks, {node['requests']} requests, "
            f"{node['rows']:,} rows, {node['retried']} sent again" + "".join(_troubles(node))
        )
    yield "  seconds    " + ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in report["seconds"].items())
    if report.get("error"):
        yield f"  error      {report['error']}"


def _shown(key: str, count: int | None) -> bool:
    return count is not None and (count > 0 or key not in _ONLY_IF_ANY)


def _recall(report: Mapping[str, Any]) -> str:
    if report["effort"] is None:
        return (
            f"1.000: searches scan all rows, as nothing less was sure to find {report['recall_target']} of the nearest"
        )
    low, target = report["recall_low"], report["recall_target"]
    met = "" if low >= target else f"; the target of {target} is not met: train a model with more to find, or ivf"
    return (
        f"{report['recall']:.3f}, at least {low:.3f} (95 % sure, by {report['recall_queries']:,} rows), "
        f"at effort {report['effort']}{met}"
    )


def _troubles(node: Mapping[str, Any]) -> Iterator[str]:
    """Yield what went wrong at a node, where something did."""
    if node.get("unreachable"):
        yield f"; {node['unreachable']} requests without an answer"
    if node.get("away_seconds"):
        yield f"; away for {node['away_seconds']:.1f} s"
    if node.get("waited_for_primary"):
        yield f"; {node['waited_for_primary']:,} rows waited for a primary shard"
    if node.get("too_busy"):
        yield f"; too busy for {node['too_busy']} requests"
    if node.get("blocked"):
        yield f"; {node['blocked']} requests met a block on writes"
