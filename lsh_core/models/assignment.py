"""Finds, for each row, the lists nearest to it: exactly, or through groups of lists.

Comparing a row with all of 16,000 lists costs 16,000 distances. In two levels the lists are grouped. Each group stores
its own lists and the nearest others, and a row is compared only with these lists of its nearest group, which may miss
one of the row's nearest lists.
Rows of one group share one block product, and the examined centroids fit the cache. Encode tens of thousands of rows
at once: the centroids of a group are gathered once per call. Many groups are found through groups of their own.

Figures: docs/decisions/models.md.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lsh_core.metrics.vectors import squared_norms
from lsh_core.models.arrays import Float32Array, Int64Array
from lsh_core.models.distances import Distances
from lsh_core.models.kmeans import group_rows, kmeans, nearest_centroid, row_blocks
from lsh_core.models.parallel import map_parts

LISTS_PER_GROUP = 32
MAX_GROUPS = 1024
MIN_GROUPS_GROUPED, UPPER_SHARE = 512, 2
"""Groups from which they are found through groups of their own, each of which examines half of them."""
GROUP_BLOCK = 32


class Groups(NamedTuple):
    """First level of the assignment.

    Attributes
    ----------
    centres : (g, d) float32
    examined : (g, m) int32
        Lists of each group, and the others nearest to its centre.
    upper
        Groups of the centres; None: a row is compared with all centres.
    """

    centres: Float32Array
    examined: NDArray[np.int32]
    upper: Groups | None = None


def make_groups(centroids: Float32Array, examined: int, generator: np.random.Generator, threads: int = 1) -> Groups:
    """Group lists by k-means over their centroids, about `LISTS_PER_GROUP` per group.

    A group examines its own lists first, then the nearest others. By nearness alone, one list in seven of 63,666 text
    embeddings was examined by no group, and stayed empty.
    """
    groups = min(MAX_GROUPS, len(centroids) // LISTS_PER_GROUP)
    everyone = np.arange(len(centroids))
    centres = kmeans(centroids, groups, generator, iterations=10, draw=everyone, threads=threads)
    labels = nearest_centroid(centroids, centres, threads)
    norms = squared_norms(centroids)
    lists = np.empty((groups, examined), dtype=np.int32)

    def examine(block: slice) -> None:
        gaps = norms - np.float32(2.0) * (centres[block] @ centroids.T)
        own = labels == np.arange(groups)[block, np.newaxis]
        gaps[own & (own.sum(axis=1) <= examined)[:, np.newaxis]] = -np.inf
        lists[block] = np.sort(gaps.argpartition(examined - 1, axis=1)[:, :examined], axis=1)

    map_parts(examine, row_blocks(groups, GROUP_BLOCK), threads)
    upper = None
    if groups >= MIN_GROUPS_GROUPED:
        upper = make_groups(centres, groups // UPPER_SHARE, generator, threads)
    return Groups(centres, lists, upper)


def nearest_lists(
    distances: Distances, vectors: Float32Array, count: int, groups: Groups | None = None, threads: int = 1
) -> Int64Array:
    """Return the `count` nearest lists of each row, nearest first.

    Parameters
    ----------
    distances
        Distances to the centroids of the lists, with their precision.
    vectors : (n, d) float32
    count
        At most the number of examined lists.
    groups
        Groups of the first level; None: all lists are examined.
    threads
        Threads that share the work of several groups.

    Returns
    -------
    (n, count) int64
    """
    found = np.empty((len(vectors), count), dtype=np.int64)
    if groups is None:
        distances.nearest(vectors, np.arange(len(vectors)), None, found)
        return found
    order, bounds = group_rows(_nearest_group(distances, vectors, groups, threads), len(groups.centres))

    def find(group: int) -> None:
        distances.nearest(vectors, order[bounds[group] : bounds[group + 1]], groups.examined[group], found)

    map_parts(find, np.flatnonzero(np.diff(bounds)).tolist(), threads)
    return found


def _nearest_group(distances: Distances, vectors: Float32Array, groups: Groups, threads: int) -> Int64Array:
    """Return the group of each row, (n,) int64."""
    if groups.upper is None:
        return distances.nearest_centre(vectors, groups.centres)
    return nearest_lists(distances.of(groups.centres), vectors, 1, groups.upper, threads)[:, 0]
