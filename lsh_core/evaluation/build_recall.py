"""The recall of one build, measured through the path that queries take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lsh_core.elastic.cluster import answering_client, count, search
from lsh_core.elastic.connection import Connection
from lsh_core.search.vector_index import VectorIndex

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

K = 10
_MOST_SCORED = 400_000_000
_TIE = 1 - 1e-6


def measure_recall(
    connection: Connection, name: str, index: str, *, queries: int, seed: int = 0
) -> tuple[float | None, int]:
    """Return the mean recall@10 of `index` at its default effort, and how many queries it was measured with.

    Queries are indexed rows drawn at random, each left out of its own answer. The truth is the server's
    exact scan of all rows; ties are judged by score. On very large indices fewer queries are asked, so
    that the scans stay affordable. None for an index of a single row.
    """
    client = answering_client(connection)
    documents = count(client, index)
    if documents < 2:
        return None, 0
    asked = max(20, min(queries, _MOST_SCORED // documents))
    searcher = VectorIndex(connection, name, index=index)
    ids, vectors = _random_rows(client, index, searcher.build.field.column, asked, seed)
    k = min(K, documents - 1)
    found = searcher.search_many(vectors, k=k + 1, fields=())
    exact = searcher.exact(vectors, k=k + 1)
    recalls = []
    for identity, near, true in zip(ids, found, exact, strict=True):
        worst = [neighbour.score for neighbour in true.neighbours if neighbour.id != identity][:k][-1]
        scores = [neighbour.score for neighbour in near.neighbours if neighbour.id != identity][:k]
        recalls.append(sum(score >= worst * _TIE for score in scores) / k)
    return round(float(np.mean(recalls)), 4), len(ids)


def _random_rows(client: Elasticsearch, index: str, vector: str, size: int, seed: int) -> tuple[list[str], np.ndarray]:
    """Return ids and vectors, (size, d) float32, of rows drawn at random."""
    hits = search(
        client,
        index,
        query={"function_score": {"random_score": {"seed": seed, "field": "airlsh.row"}, "boost_mode": "replace"}},
        size=size,
        source={"includes": [vector], "exclude_vectors": False},
        track_total_hits=False,
    )["hits"]["hits"]
    vectors = np.array([hit["_source"][vector] for hit in hits], dtype=np.float32)
    return [hit["_id"] for hit in hits], vectors
