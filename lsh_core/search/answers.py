"""What a search answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lsh_core.models.metrics import distance_from_score
from lsh_core.search.queries import Path, Query


@dataclass(frozen=True)
class Neighbour:
    """One row of an answer.

    Attributes
    ----------
    rank
        1 for the nearest.
    distance
        As the metric of the index defines it; computed from the server's float32 score, which loses
        small differences near zero.
    score
        As the server gave it; larger is nearer.
    """

    rank: int
    id: str
    distance: float
    score: float
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
    """The neighbours of one query, the build that they come from, and how they were found.

    Attributes
    ----------
    path
        ``lists`` or ``tables``: the rows that share a token with the query were looked at; ``graph``: those that the
        server's own graph led to; ``exact``: all rows, or all that pass the filter, so that the answer is the true one;
        ``text``: none but the best by their text, of a hybrid search to which vectors do not matter.
    scored
        How many rows were compared with the query exactly; None where the server went through its graph, as it does
        not say.
    """

    build: str
    neighbours: tuple[Neighbour, ...]
    path: Path
    scored: int | None

    @property
    def ids(self) -> list[str]:
        """The ids, nearest first."""
        return [neighbour.id for neighbour in self.neighbours]

    def to_json(self) -> dict[str, Any]:
        """Return the answer as plain values."""
        return {
            "build": self.build,
            "path": self.path,
            "scored": self.scored,
            "neighbours": [asdict(neighbour) for neighbour in self.neighbours],
        }


@dataclass(frozen=True)
class HybridNeighbour(Neighbour):
    """One row of an answer to a vector and a text.

    `distance` is that to the vector, also of rows that the text alone led to; `score` is the fused one.

    Attributes
    ----------
    text_score
        The server's own score (BM25) of the text, 0 where no word is in the row.
    """

    text_score: float


@dataclass(frozen=True)
class HybridAnswer(Answer):
    """The best rows by a vector and a text; `path` and `scored` are those of the vector's part."""

    neighbours: tuple[HybridNeighbour, ...]


def read_answer(found: Mapping[str, Any], query: Query, metric: str, build: str) -> Answer:
    """Turn the ``hits`` of a response to `query` into an answer."""
    hits = found["hits"]
    matching = int(found["total"]["value"])
    scores = np.array([hit["_score"] for hit in hits], dtype=np.float64)
    distances = distance_from_score(scores, metric) if len(scores) else scores
    return Answer(
        build,
        tuple(
            Neighbour(rank, hit["_id"], float(distance), float(hit["_score"]), hit.get("_source", {}))
            for rank, (hit, distance) in enumerate(zip(hits, distances, strict=True), start=1)
        ),
        query.path,
        query.rows_scored(matching),
    )
