"""One ranking from two, by vector and by words. Pure: no I/O.

**Weighted**: ``weight * t + (1 - weight) * v``, both from 0 to 1. No score of the server can be added as it is: BM25
has no upper bound (14 for a good match) and drowns a cosine score (.80 for the nearest row, .66 for the thousandth); a
score of ``l2`` depends on the unit of the vectors; one of ``dot`` has no bound either. So both are put on a scale that
the query's own rankings give, whatever the corpus and the metric, with one half for the row in the middle of each:

- ``t = s / (s + c)`` for a row whose words have the score s: 0 for a row without any of the words, 1/2 at c, the score
  of the row in the middle of the ranking by words.
- ``v = r / (r + d - n)`` for a row at distance d, where n is the smallest distance of all candidates: 1 for the nearest
  row, 1/2 at n + r, the distance of the row in the middle of the ranking by vector. Only differences of distances
  count, as a distance under ``dot`` may be negative, and only their ratios, as one under ``l2`` has a unit.

**Reciprocal rank fusion**: the sum of ``1 / (60 + rank)`` over the rankings that a row is in (G. V. Cormack,
C. L. A. Clarke and S. Büttcher, "Reciprocal rank fusion outperforms Condorcet and individual rank learning methods",
SIGIR 2009).

Equal scores: first by the rank by vector, then by that by words. So with weight 0 or 1 one ranking comes out as it went
in.
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
        Of the words, from 0 to 1. With 0 only `by_vector` is ranked, with 1 only `by_words`.
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
        # In this form rounding cannot turn the order of two scores round.
        return np.asarray(1.0 / (1.0 + middle / scores))


def nearness(distances: np.ndarray, *, middle: float) -> np.ndarray:
    """Return r / (r + d - n) for each of `distances` d, (n,) float64, with n the smallest of them and r = middle - n.

    Where the middle row is as near as the nearest: 1 for those as near, 0 for others.
    """
    if not len(distances):
        return distances
    beyond = distances - distances.min()
    reach = middle - distances.min()
    return np.asarray(reach / (reach + beyond)) if reach > 0 else (beyond == 0).astype(np.float64)


def _candidates(*rankings: Sequence[Neighbour]) -> Mapping[str, Neighbour]:
    """Return the rows of the rankings by id, each as the first of them has it."""
    candidates: dict[str, Neighbour] = {}
    for ranking in rankings:
        for each in ranking:
            candidates.setdefault(each.id, each)
    return candidates


def _middle(ranking: Sequence[Neighbour]) -> Neighbour:
    return ranking[len(ranking) // 2]


def _ranked(candidates: Iterable[Neighbour], scores: Iterable[float]) -> list[Neighbour]:
    """Return the candidates with these scores, best first; those of one score stay in their order."""
    pairs = sorted(zip(candidates, scores, strict=True), key=lambda pair: -pair[1])
    return [replace(each, rank=rank, score=float(score)) for rank, (each, score) in enumerate(pairs, start=1)]
