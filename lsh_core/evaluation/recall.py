"""Computes recall: the share of true neighbours that were found."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import numpy.typing as npt

Answers = Sequence[Sequence[Hashable]] | npt.NDArray[np.int64]
Distances = Sequence[Sequence[float]] | npt.NDArray[np.floating]


def recall_at_k(
    found: Answers,
    exact: Answers,
    *,
    found_distances: Distances | None = None,
    exact_distances: Distances | None = None,
    tolerance: float = 1e-5,
) -> npt.NDArray[np.float64]:
    """Return the recall of each query against its exact neighbours.

    A row is correct if it is among the exact neighbours or, with distances, if it is no further away than the last of
    them: among rows at equal distance any choice is correct, as in ann-benchmarks (Aumüller, Bernhardsson, Faithfull,
    2020, section 3.1). Repeated rows count once.

    Parameters
    ----------
    found
        Found rows of each query, nearest first; may be fewer than k, with different lengths. Only the first k of a
        query count.
    exact
        (q, k): exact neighbours, with the same ids as `found`. A source with fewer rows than k has fewer.
    found_distances, exact_distances
        Distances of both, in the same metric; both or neither.
    tolerance
        Relative distance beyond the last exact neighbour that still counts as a tie, for the rounding of float32
        scores.

    Returns
    -------
    (q,) float64
        Between 0 and 1; the mean is recall@k.

    Raises
    ------
    ValueError
        The numbers of queries differ, or only one of the distances is passed.
    """
    if len(found) != len(exact):
        raise ValueError(f"{len(found)} queries were answered, {len(exact)} have exact neighbours")
    if (found_distances is None) != (exact_distances is None):
        raise ValueError("found_distances and exact_distances are needed together")
    recall = np.zeros(len(exact))
    for query, truth in enumerate(exact):
        k = len(truth)
        if k == 0:
            raise ValueError(f"query {query} has no exact neighbours")
        answers = list(found[query])[:k]
        right = set(answers) & set(truth)
        if found_distances is not None and exact_distances is not None:
            last = exact_distances[query][k - 1]
            limit = last + tolerance * abs(last)
            near = zip(answers, found_distances[query], strict=False)
            right |= {answer for answer, distance in near if distance <= limit}
        recall[query] = len(right) / k
    return recall
