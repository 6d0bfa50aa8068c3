"""Search result: neighbours of one target, and the strategy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from lsh_core.metrics import metric_named
from lsh_core.retrieval.query import Path, Query, id_of
from lsh_core.search.hybrid_queries import MATCH_CLAUSE, VECTOR_CLAUSE
from lsh_core.search.searchable_build import SearchableBuild


@dataclass(frozen=True)
class Neighbour:
    """One row of a search result.

    Attributes
    ----------
    rank
        1 for the best.
    id
        Id of the row.
    distance
        Distance by the metric of the index; computed from the server's float32 score, which loses small differences
        near zero. In a search with words, rows found by the words alone have a distance too.
    score
        Score of the server, larger is nearer; in a search with words the fused score.
    fields
        Requested stored columns.
    match_score
        Searches with words: the server's score of the words (BM25), 0 for a row without any of them.

    Examples
    --------
    >>> from lsh_core import Neighbour
    >>> Neighbour(rank=1, id="gimp", distance=0.25, score=0.875, fields={"section": "graphics"}).to_json()
    {'rank': 1, 'id': 'gimp', 'distance': 0.25, 'score': 0.875, 'fields': {'section': 'graphics'}}
    """

    rank: int
    id: str
    distance: float
    score: float
    fields: Mapping[str, Any]
    match_score: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the row as plain values; ``match_score`` only in searches with words."""
        plain = {"rank": self.rank, "id": self.id, "distance": self.distance, "score": self.score}
        matched = {} if self.match_score is None else {"match_score": self.match_score}
        return {**plain, **matched, "fields": dict(self.fields)}


@dataclass(frozen=True)
class SearchResult:
    """Neighbours of one target, with the answering build and the strategy.

    Attributes
    ----------
    index
        Physical index that answered.
    build
        Build that answered.
    model_id
        Model of the build.
    strategy
        ``lists`` or ``tables``: rows that share a token with the target were scored. ``graph``: rows that the server's
        graph led to. ``exact``: all rows, or all that pass the filter, were scored, so the neighbours are the true
        ones. ``match``: the best rows by words, which have all the weight.
    rows_scored
        Number of rows that were scored exactly; None for ``graph``, as the server does not report it.
    took_ms
        Milliseconds that Elasticsearch reports; ignored by comparisons.
    neighbours
        Best first.

    Examples
    --------
    >>> from lsh_core import VectorIndex
    >>> with VectorIndex("packages", "http://127.0.0.1:9200") as index:
    ...     result = index.search(id="gimp", k=3, fields=["section"])
    >>> result.strategy
    'lists'
    >>> len(result.ids), "gimp" in result.ids
    (3, False)
    >>> sorted(result.to_json())
    ['build', 'index', 'model_id', 'neighbours', 'rows_scored', 'strategy', 'took_ms']
    """

    index: str
    build: str
    model_id: str
    strategy: Path
    rows_scored: int | None
    took_ms: int = field(compare=False)
    neighbours: tuple[Neighbour, ...]

    @property
    def ids(self) -> list[str]:
        """The ids, best first."""
        return [neighbour.id for neighbour in self.neighbours]

    def to_json(self) -> dict[str, Any]:
        """Return the result as plain values."""
        return {
            "index": self.index,
            "build": self.build,
            "model_id": self.model_id,
            "strategy": self.strategy,
            "rows_scored": self.rows_scored,
            "took_ms": self.took_ms,
            "neighbours": [neighbour.to_json() for neighbour in self.neighbours],
        }


@dataclass(frozen=True)
class Response:
    """Response of Elasticsearch to one query: ``hits`` and time."""

    hits: Mapping[str, Any]
    took_ms: int

    @classmethod
    def from_json(cls, response: Mapping[str, Any]) -> Self:
        """Parse one of the ``responses`` of a multi-search."""
        return cls(response["hits"], int(response["took"]))

    @property
    def rows(self) -> int:
        """Number of matching rows."""
        return int(self.hits["total"]["value"])


def read_result(response: Response, query: Query, build: SearchableBuild) -> SearchResult:
    """Turn the response to `query` into a result, or one ranking."""
    hits = query.ranked(response.hits["hits"], response.rows)
    own = [float(hit["_score"]) for hit in hits]
    scores, matched = _hybrid_scores(hits, query.path, own) if query.hybrid else (own, [None] * len(hits))
    distances = metric_named(build.field.metric).distance_from_score(np.array(scores, dtype=np.float64))
    rows = zip(hits, distances.tolist(), own, matched, strict=True)
    return SearchResult(
        index=build.index,
        build=build.meta.build,
        model_id=build.field.model_id,
        strategy=query.path,
        rows_scored=query.rows_scored(response.rows),
        took_ms=response.took_ms,
        neighbours=tuple(
            Neighbour(rank, id_of(hit), distance, score, hit.get("_source", {}), match_score)
            for rank, (hit, distance, score, match_score) in enumerate(rows, start=1)
        ),
    )


def _hybrid_scores(
    hits: Sequence[Mapping[str, Any]], path: Path, own: list[float]
) -> tuple[list[float], list[float | None]]:
    """Return scores of hits by vector and by words: the hit's `own` score, and that of a named clause."""
    named = [hit.get("matched_queries", {}) for hit in hits]
    if path == "match":
        return [float(scores[VECTOR_CLAUSE]) for scores in named], [*own]
    return own, [float(scores.get(MATCH_CLAUSE, 0.0)) for scores in named]
