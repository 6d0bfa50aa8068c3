"""Searches that the client ranks, for metrics that the server lacks. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lsh_core.elastic.stored_vectors import asked_for, vectors_of
from lsh_core.errors import SettingsError
from lsh_core.metrics import metric_named
from lsh_core.retrieval.query import MAX_RESULTS, Filter, Hits, Path, Query, Vector, all_of, request_body


@dataclass(frozen=True)
class ClientQuery(Query):
    """Search for all rows that pass a filter; the client compares and ranks them.

    Hits have their vectors in doc values. At most 10,000 rows may pass, as the server returns no more.

    Attributes
    ----------
    vector
        Vector to compare rows with.
    column, metric
        Vector column, and the name of its metric.
    k
        Rows of the result.
    """

    vector: tuple[float, ...] = ()
    column: str = ""
    metric: str = ""
    k: int = 0

    def ranked(self, hits: Hits, matching: int) -> Hits:
        """Return the `k` nearest hits, with their negative distance as ``_score``.

        Raises
        ------
        SettingsError
            More rows pass the filter than the server returns.
        """
        if matching > MAX_RESULTS:
            reason = (
                f"is compared in the client, for {MAX_RESULTS:,} rows at most, and {matching:,} rows pass: give a "
                "narrower filter, or fewer probes"
            )
            raise SettingsError("metric", self.metric, reason)
        if not hits:
            return hits
        rows = vectors_of(hits, self.column, len(self.vector)).astype(np.float64)
        distances = self._distances(rows)
        nearest = np.argsort(distances, kind="stable")[: self.k]
        return [{**hits[at], "_score": -float(distances[at])} for at in nearest]

    def _distances(self, rows: np.ndarray) -> np.ndarray:
        metric = metric_named(self.metric)
        both = np.vstack((rows, np.array([self.vector], dtype=np.float64)))
        prepared = metric.prepare_exact(both, np.linalg.norm(both, axis=1))
        return metric.distances(metric.measure(prepared[:-1], np.broadcast_to(prepared[-1], rows.shape)))


def client_query(
    vector: Vector,
    *,
    column: str,
    metric: str,
    k: int,
    among: Filter | None,
    fields: Sequence[str] | None,
    path: Path,
) -> ClientQuery:
    """Return the search for the `k` nearest rows to `vector` under a filter."""
    wanted = all_of({"exists": {"field": column}}, among)
    body = request_body({"bool": {"filter": wanted}}, MAX_RESULTS, fields)
    body["docvalue_fields"] = [*body.get("docvalue_fields", ()), *asked_for(column)]
    if fields is not None and column in fields:
        body["_source"]["exclude_vectors"] = False
    return ClientQuery(body, path, vector=tuple(vector), column=column, metric=metric, k=k)
