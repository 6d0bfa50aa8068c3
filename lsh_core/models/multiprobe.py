"""Finds further buckets of a hash table for a query.

Q. Lv, W. Josephson, Z. Wang, M. Charikar, K. Li, "Multi-probe LSH: efficient indexing for high-dimensional similarity
search", VLDB 2007, section 4.4: the score of a bucket is the sum of the squared distances to the planes between the
query and it, and buckets with low scores come first.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from lsh_core.models.arrays import Float32Array, Int64Array

Ranks = tuple[int, ...]
"""Ranks of planes of a table by their distance to a query; 0 is the nearest."""


def nearest_buckets(distances: Float32Array, count: int) -> Int64Array:
    """Return the `count` best buckets of each table beside the query's own.

    Parameters
    ----------
    distances : (n, tables, bits) float32
        From each query to each plane, not negative.
    count
        1 to 2^bits - 1.

    Returns
    -------
    (n, tables, count) int64
        Bits in which each bucket differs from the query's own, lowest score first.
    """
    bits = distances.shape[2]
    members = _members(bits, count)
    order = distances.argsort(axis=2, kind="stable")[:, :, : len(members)]
    near = np.take_along_axis(distances, order, axis=2)
    scores = np.square(near) @ members.astype(np.float32)
    chosen = scores.argsort(axis=2, kind="stable")[:, :, :count]
    differ: Int64Array = np.take_along_axis((np.int64(1) << order) @ members, chosen, axis=2)
    return differ


@cache
def _members(bits: int, count: int) -> Int64Array:
    """Return the membership of ranks in candidate sets, (ranks, sets) of 0 and 1."""
    sets = candidate_sets(bits, count)
    members = np.zeros((1 + max(max(ranks) for ranks in sets), len(sets)), dtype=np.int64)
    for place, ranks in enumerate(sets):
        members[list(ranks), place] = 1
    return members


def candidate_sets(bits: int, count: int) -> list[Ranks]:
    """Return all sets of planes that may be among the `count` best.

    The candidates hold for any distances. A set scores no less than a set with one plane removed, or with one plane
    replaced by a nearer one. A set with `count` or more such sets below it is not needed. Two steps generate all sets,
    as in section 4.4 of the paper: shift the last plane by one, or add the plane after it.
    """
    found: list[Ranks] = []
    waiting: list[Ranks] = [(0,)]
    while waiting:
        ranks = waiting.pop()
        if ranks[-1] >= bits or _sets_below(ranks, count) >= count:
            continue
        found.append(ranks)
        waiting += [(*ranks[:-1], ranks[-1] + 1), (*ranks, ranks[-1] + 1)]
    return sorted(found)


def _sets_below(ranks: Ranks, enough: int) -> int:
    """Count the sets that never score more than `ranks`, up to `enough`."""
    below: set[Ranks] = set()
    waiting = [ranks]
    while waiting and len(below) < enough:
        current = waiting.pop()
        for place, rank in enumerate(current):
            rest = current[:place] + current[place + 1 :]
            nearer = tuple(sorted((*rest, rank - 1)))
            for lower in (rest, nearer if rank > 0 and rank - 1 not in rest else ()):
                if lower and lower not in below:
                    below.add(lower)
                    waiting.append(lower)
    return len(below)
