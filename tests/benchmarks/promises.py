"""Recall of searches that ask for a recall, on queries that the build has never seen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from datasets import Dataset

from lsh_core.evaluation.measurement import lower_bound, measure
from lsh_core.search.vector_index import VectorIndex

TARGETS = (0.9, 0.95, 0.99)


def promises(searcher: VectorIndex, data: Dataset) -> Iterator[dict[str, Any]]:
    """Hold the effort that the build's own curve gives for each target against the queries of `data`."""
    curve = searcher.build.curve
    for target in TARGETS:
        effort = curve.effort_for(target) if curve else None
        if effort is None:
            yield {"target": target, "effort": None}
            continue
        measured = measure(searcher, data.queries, data.truth, effort)
        recall, low = float(measured.recall.mean()), lower_bound(measured.recall)
        yield {
            "target": target,
            "effort": effort,
            "recall": recall,
            "recall_low": low,
            # The queries are a sample as well: a promise is broken where even the upper bound is below it.
            "recall_high": 2 * recall - low,
            "scored": measured.point(effort).scored,
        }
