"""Sends first searches to a new build, which fill its caches."""

from __future__ import annotations

import time

import numpy as np

from lsh_core.builds.mapping import VectorField
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.stored_vectors import asked_for, has_vector, vectors_of
from lsh_core.search.live_index import JOB_WAIT_SECONDS
from lsh_core.search.vector_index import VectorIndex

QUERIES = 48
SECONDS = 5.0


def warm_up(cluster: Cluster, name: str, index: str, *, queries: int = QUERIES, seconds: float = SECONDS) -> int:
    """Search `index` for some of its rows; return the number of searches.

    The searches take the production path, and show that the build answers. No search begins after `seconds`.

    Raises
    ------
    AirlshError
        The build cannot be searched: its model is missing, or a shard does not answer.
    """
    started = time.monotonic()
    searcher = VectorIndex(name, cluster.connection, index=index, wait_seconds=JOB_WAIT_SECONDS)
    vectors = _some_vectors(cluster, index, searcher.build.field, queries)
    asked = 0
    if len(vectors):
        for _ in searcher.search_many(vectors, fields=()):
            asked += 1
            if time.monotonic() - started > seconds:
                break
    return asked


def _some_vectors(cluster: Cluster, index: str, field: VectorField, size: int) -> np.ndarray:
    """Return vectors of up to `size` rows, (m, d) float32, by random row numbers, without a scan."""
    column = field.column
    last = cluster.search(index, size=0, aggs={"last": {"max": {"field": "airlsh.row"}}})["aggregations"]["last"]
    row_numbers = np.random.default_rng(0).integers(int(last["value"] or 0) + 1, size=2 * size).tolist()
    body = {"source": False, "docvalue_fields": asked_for(column), "size": size, "track_total_hits": False}
    hits = cluster.search(index, query={"terms": {"airlsh.row": row_numbers}}, **body)["hits"]["hits"]
    if not hits:
        hits = cluster.search(index, query={"exists": {"field": column}}, **body)["hits"]["hits"]
    return vectors_of([hit for hit in hits if has_vector(hit, column)], column, field.dims)
