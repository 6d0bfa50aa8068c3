"""Balanced lists: overfull lists are split, and the emptiest lists are dropped for them.

Long lists are what a query that meets them pays for. Q. Chen et al., "SPANN: Highly-efficient billion-scale approximate
nearest neighbor search", NeurIPS 2021, section 3.2.1 (posting lists of limited length), keeps them short by a balance
penalty in k-means; here k-means is left as it is, and what it leaves too long is clustered once more.

Simulated, largest list as a multiple of the mean, and rows scored for a recall@10 of .95, before and after (with every
list examined, see :mod:`lsh_core.models.assignment`): 60,000 text embeddings, 384-d, 3,919 lists 10.4 to 5.2 and 2,049
to 1,633; 12,000 of them, 1,000 lists 8.7 to 4.3 and 969 to 902; 20,000 in 350 lists 6.1 to 3.6 and 2,059 to 2,102.
200,000 SIFT descriptors, 128-d, 7,155 lists 3.7 to 3.0 and 2,501 to 2,480. To split what holds twice the mean, at the
cost of lists of half of it, scored 12 % more rows where lists are long (350 lists).
"""

from __future__ import annotations

import math

import numpy as np

from lsh_core.models.arrays import Array, Float32Array, Int64Array
from lsh_core.models.kmeans import group_rows, kmeans

HEAVY = 3.0
"""A list that holds more than this multiple of the mean is split, into pieces of about the mean."""
LIGHT = 0.25
"""Lists that hold at most this multiple of it give way to the pieces."""
ITERATIONS = 6


def split_heavy(
    sample: Float32Array,
    near: Int64Array,
    centroids: Float32Array,
    generator: np.random.Generator,
    hashes: Array | None = None,
) -> Float32Array:
    """Split the lists that hold far more than the mean, the heaviest first, as long as there are light ones.

    What counts is how many rows a list holds with all those that are spilled into it, as a query meets them; only its
    own rows, which are nearest to it, are clustered. Rows that are equal cannot be parted: of the most repeated vector
    of a list one row counts.

    Parameters
    ----------
    sample : (n, d) float32
    near : (n, s) int64
        The lists of each row, the nearest first.
    centroids : (lists, d) float32
    hashes : (n,)
        Equal for equal rows; None: no row is repeated.

    Returns
    -------
    (lists, d) float32, among which there may be equal ones.
    """
    lists, spill = len(centroids), near.shape[1]
    own = parted_rows(near[:, 0], lists, hashes)
    held = own if spill == 1 else parted_rows(near.ravel(), lists, None if hashes is None else hashes.repeat(spill))
    limit, mean = HEAVY * held.mean(), held.mean()
    heavy = np.argsort(-held, kind="stable")[: np.count_nonzero(held > limit)]
    light = np.argsort(own, kind="stable")
    light = light[(own[light] <= LIGHT * mean / spill) & (held[light] <= limit)]
    if not heavy.size or not light.size:
        return centroids
    order, bounds = group_rows(near[:, 0], lists)
    balanced = centroids.copy()
    for number in heavy.tolist():
        rows = order[bounds[number] : bounds[number + 1]]
        draw = np.arange(len(rows)) if hashes is None else np.sort(np.unique(hashes[rows], return_index=True)[1])
        more = min(math.ceil(held[number] / mean) - 1, len(draw) - 1, len(light))
        if more > 0:
            pieces = kmeans(sample[rows], more + 1, generator, iterations=ITERATIONS, draw=draw)
            balanced[number], balanced[light[:more]] = pieces[0], pieces[1:]
            light = light[more:]
    return balanced


def parted_rows(labels: Int64Array, lists: int, hashes: Array | None) -> Int64Array:
    """Count the rows of each list, its most repeated vector once: ``(lists,)`` int64.

    Parameters
    ----------
    labels : (n,) int64
        The list of each row.
    hashes : (n,)
        Equal for equal rows; None: no row is repeated.
    """
    counts = np.bincount(labels, minlength=lists)
    if hashes is None:
        return counts
    order = np.lexsort((hashes, labels))
    held, values = labels[order], hashes[order]
    first = np.flatnonzero(np.append(True, (held[1:] != held[:-1]) | (values[1:] != values[:-1])))
    repeats = np.ones(lists, dtype=np.int64)
    np.maximum.at(repeats, held[first], np.diff(np.append(first, len(held))))
    return counts - repeats + 1  # Of an empty list 0.
