"""Further buckets of a hash table for a query: those beyond the planes that are nearest to it.

Q. Lv, W. Josephson, Z. Wang, M. Charikar, K. Li, "Multi-probe LSH: efficient indexing for high-dimensional similarity
search", VLDB 2007, section 4.4: a bucket scores the sum of the squared distances to the planes between the query and
it, and buckets with low scores come first.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from lsh_core.models.arrays import Float32Array, Int64Array

Ranks = tuple[int, ...]
"""Some planes of a table, by the order of their distances to a query: 0 is the nearest."""


def nearest_buckets(distances: Float32Array, count: int) -> Int64Array:
    """Find the `count` buckets of each table with the lowest scores, the query's own left out.

    Parameters
    ----------
    distances : (n, tables, bits) float32
        From each query to each plane, not negative.
    count
        1 to 2^bits - 1.

    Returns
    -------
    (n, tables, count) int64
        The bits in which each bucket differs from the query's own, lowest score first.
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
    """Ranks of each set of planes that may be among the `count` best, (ranks, sets) of 0 and 1."""
    sets = candidate_sets(bits, count)
    members = np.zeros((1 + max(max(ranks) for ranks in sets), len(sets)), dtype=np.int64)
    for place, ranks in enumerate(sets):
        members[list(ranks), place] = 1
    return members


def candidate_sets(bits: int, count: int) -> list[Ranks]:
    """List the sets of planes that may be among the `count` best, whatever the distances are.

    A set scores no less than one that lacks a plane of it, or has a nearer plane in the place of one: so with `count`
    such sets or more below it, it is not needed. The two steps that lead to all sets are those of the paper's section
    4.4: to shift the last plane by one, and to add the one after it.
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
