"""Exact comparison of rows with a query, by the server."""

from __future__ import annotations

from typing import Any

from lsh_core.retrieval.query import Filter, Target


def scored_query(metric: str, column: str, target: Target, *, k: int, among: Filter | None = None) -> dict[str, Any]:
    """Return the query clause that scores every row that passes `among`, exactly.

    This is the one place where a metric decides how the server compares vectors. The metrics that the server knows
    take ``knn``: on a flat field it scores every row that passes its filter.

    Parameters
    ----------
    metric
        Name of the metric.
    column
        Flat ``dense_vector`` field of the rows.
    k
        Rows that are wanted of each shard.
    """
    knn: dict[str, Any] = {"field": column, "k": k, "num_candidates": k, **target}
    if among is not None:
        knn["filter"] = among
    return {"knn": knn}
