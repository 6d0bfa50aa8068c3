"""Recall: how many of the true neighbours were found."""

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
    """Judge the answers to each query against its exact neighbours.

    An answer is right if it is among the exact neighbours or, with distances given, if it is no
    further away than the last of them: of rows at the same distance any choice is right, as in
    ann-benchmarks (Aumüller, Bernhardsson, Faithfull, 2020, section 3.1). Repeated answers count once.

    Parameters
    ----------
    found
        Of each query the answers, nearest first; may be fewer than k or have different lengths.
        Only the first k of a query are judged.
    exact
        (q, k): the exact neighbours, named as in `found`. Where the source has fewer rows than k,
        fewer are asked for.
    found_distances, exact_distances
        Distances of both, in the same metric; needed together.
    tolerance
        How much further than the last exact neighbour, relative to it, still counts as a tie: what
        the rounding of float32 scores takes.

    Returns
    -------
    (q,) float64
        Between 0 and 1; its mean is what is called recall@k.

    Raises
    ------
    ValueError
        The numbers of queries differ, or only one kind of distances is given.
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
