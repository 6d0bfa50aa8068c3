"""Fuses two rankings, by vector and by words. Pure: no I/O.

**Weighted**: ``weight * t + (1 - weight) * v``, both from 0 to 1. Scores of the server cannot be added directly. BM25
has no upper bound (14 for a good match), and exceeds a cosine score (.80 for the nearest row, .66 for the thousandth).
A score of ``l2`` depends on the unit of the vectors, and a score of ``dot`` has no bound. So both are scaled by the
query's own rankings, for any corpus and metric, with one half for the middle row of each ranking:

- ``t = s / (s + c)`` for a row with the score s by words: 0 for a row without any of the words, 1/2 at c, the score of
  the middle row of the ranking by words.
- ``v = r / (r + d - n)`` for a row at distance d, where n is the smallest distance of all candidates: 1 for the nearest
  row, 1/2 at n + r, the distance of the middle row of the ranking by vector. Only differences of distances count, as
  distances under ``dot`` may be negative. Only ratios of differences count, as distances under ``l2`` have a unit.

**Reciprocal rank fusion**: the sum of ``1 / (60 + rank)`` over the rankings that a row is in (G. V. Cormack,
C. L. A. Clarke and S. Büttcher, "Reciprocal rank fusion outperforms Condorcet and individual rank learning methods",
SIGIR 2009).

Equal scores are ordered by the rank by vector, then by the rank by words. So a weight of 0 or 1 reproduces one ranking.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from lsh_core.search.results import Neighbour

RANK_CONSTANT = 60


def weighted(by_vector: Sequence[Neighbour], by_words: Sequence[Neighbour], weight: float) -> list[Neighbour]:
    """Return the rows of both rankings, best first by the weighted sum.

    Parameters
    ----------
    weight
        Weight of the words, from 0 to 1. With 0 only `by_vector` is ranked, with 1 only `by_words`.
    """
    by_vector, by_words = by_vector if weight < 1 else (), by_words if weight > 0 else ()
    candidates = list(_candidates(by_vector, by_words).values())
    match_scores = np.array([each.match_score or 0.0 for each in candidates], dtype=np.float64)
    distances = np.array([each.distance for each in candidates], dtype=np.float64)
    text = saturated(match_scores, middle=(_middle(by_words).match_score or 0.0) if by_words else 1.0)
    near = nearness(distances, middle=_middle(by_vector or by_words).distance if candidates else 0.0)
    return _ranked(candidates, weight * text + (1 - weight) * near)


def reciprocal_ranks(by_vector: Sequence[Neighbour], by_words: Sequence[Neighbour]) -> list[Neighbour]:
    """Return the rows of both rankings, best first by the sum of their reciprocal ranks."""
    candidates = _candidates(by_vector, by_words)
    scores = dict.fromkeys(candidates, 0.0)
    for ranking in (by_vector, by_words):
        for rank, each in enumerate(ranking, start=1):
            scores[each.id] += 1 / (RANK_CONSTANT + rank)
    return _ranked(candidates.values(), scores.values())


def saturated(scores: np.ndarray, *, middle: float) -> np.ndarray:
    """Return s / (s + middle) for each of `scores`, (n,) float64: 0 for 0, 1/2 for `middle`, 1 never."""
    with np.errstate(divide="ignore"):
        # In this form rounding cannot reverse the order of two scores.
        return np.asarray(1.0 / (1.0 + middle / scores))


def nearness(distances: np.ndarray, *, middle: float) -> np.ndarray:
    """Return r / (r + d - n) for each of `distances` d, (n,) float64.

    n is the smallest distance, and r = middle - n.

    If the middle row is as near as the nearest, rows as near get 1, and others 0.
    """
    if not len(distances):
        return distances
    beyond = distances - distances.min()
    reach = middle - distances.min()
    return np.asarray(reach / (reach + beyond)) if reach > 0 else (beyond == 0).astype(np.float64)


def _candidates(*rankings: Sequence[Neighbour]) -> Mapping[str, Neighbour]:
    """Return the rows of both rankings by id, each from the first ranking that has it."""
    candidates: dict[str, Neighbour] = {}
    for ranking in rankings:
        for each in ranking:
            candidates.setdefault(each.id, each)
    return candidates


def _middle(ranking: Sequence[Neighbour]) -> Neighbour:
    return ranking[len(ranking) // 2]


def _ranked(candidates: Iterable[Neighbour], scores: Iterable[float]) -> list[Neighbour]:
    """Return the candidates with these scores, best first; equal scores keep their order."""
    pairs = sorted(zip(candidates, scores, strict=True), key=lambda pair: -pair[1])
    return [replace(each, rank=rank, score=float(score)) for rank, (each, score) in enumerate(pairs, start=1)]
