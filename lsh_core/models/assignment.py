"""Nearest lists of a row: exactly, or through groups of lists.

Examining all of 16,000 lists costs a row 16,000 distances. In two levels the lists are grouped; for each group
the `examined` lists nearest to its centre are known, and a row looks only at those of the group it is nearest
to. Rows of one group share one block product, and the examined centroids fit the cache. Gathering them costs the
same for one row of a group as for a thousand: encode chunks of tens of thousands of rows, not single rows.

Measured by one core, rows against all lists in parentheses. 16,000 lists over 1,000,000 SIFT descriptors, 2,048
examined, chunks of 50,000 rows: 9.1 core-µs a row (59), .983 of the 16 nearest lists, recall@10 by 16 lists .903
(.903), by those stored with the row .900 (.903). 4,037 lists over 63,666 text embeddings of 384 dimensions, 2,048
examined, chunks of 4,000 rows: 22 core-µs (32), .987, .939 (.941), .935 (.941): so few lists are examined all.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lsh_core.metrics.vectors import squared_norms
from lsh_core.models.arrays import Float32Array, Int64Array
from lsh_core.models.distances import Distances
from lsh_core.models.kmeans import group_rows, kmeans, nearest_centroid

LISTS_PER_GROUP = 32
MAX_GROUPS = 1024


class Groups(NamedTuple):
    """The first level.

    Attributes
    ----------
    centres : (g, d) float32
    examined : (g, m) int32
        The lists nearest to each centre.
    """

    centres: Float32Array
    examined: NDArray[np.int32]


def make_groups(centroids: Float32Array, examined: int, generator: np.random.Generator) -> Groups:
    """Group lists by k-means over their centroids, about `LISTS_PER_GROUP` in each.

    A group examines its own lists first, then the nearest others. By nearness alone one list in seven of 63,666 text
    embeddings was examined by no group: those far from all others, which lie far from their own centre too. No row
    was in them.
    """
    groups = min(MAX_GROUPS, len(centroids) // LISTS_PER_GROUP)
    centres = kmeans(centroids, groups, generator, iterations=10, draw=np.arange(len(centroids)))
    labels = nearest_centroid(centroids, centres)
    norms = squared_norms(centroids)
    lists = np.empty((groups, examined), dtype=np.int32)
    for place, centre in enumerate(centres):
        gaps = norms - np.float32(2.0) * (centroids @ centre)
        own = labels == place
        if np.count_nonzero(own) <= examined:
            gaps[own] = -np.inf
        lists[place] = np.sort(gaps.argpartition(examined - 1)[:examined])
    return Groups(centres, lists)


def nearest_lists(distances: Distances, vectors: Float32Array, count: int, groups: Groups | None = None) -> Int64Array:
    """The `count` nearest lists of each row, nearest first.

    Parameters
    ----------
    distances
        To the centroids of the lists; says how exactly they are compared.
    vectors : (n, d) float32
    count
        At most the number of lists examined.
    groups
        Without it, all lists are examined.

    Returns
    -------
    (n, count) int64
    """
    found = np.empty((len(vectors), count), dtype=np.int64)
    if groups is None:
        distances.nearest(vectors, np.arange(len(vectors)), None, found)
        return found
    order, bounds = group_rows(distances.nearest_centre(vectors, groups.centres), len(groups.centres))
    for group in np.flatnonzero(np.diff(bounds)):
        distances.nearest(vectors, order[bounds[group] : bounds[group + 1]], groups.examined[group], found)
    return found
