"""Finds many centroids quickly, by k-means in two levels.

Flat k-means costs lists x rows distances per iteration, too many beyond a thousand lists. Here about √lists clusters
are found on a part of the sample, and each cluster is divided into its share of the lists: 2·√lists x rows distances.
(Hierarchical k-means: D. Nistér and H. Stewénius, "Scalable recognition with a vocabulary tree", CVPR 2006, section 3;
shares in proportion to rows instead of a constant branching.)

These lists end at the borders of the clusters. That costs nothing on SIFT descriptors, and 3 points of recall at equal
probes on 384-d text embeddings. Further iterations over all lists, with rows assigned in two levels, regain most of the
recall. Each iteration also splits heavy lists (see :mod:`lsh_core.models.balance`).
"""

from __future__ import annotations

import math

import numpy as np

from lsh_core.models.arrays import Float32Array, Int64Array
from lsh_core.models.assignment import make_groups, nearest_lists
from lsh_core.models.balance import split_heavy
from lsh_core.models.distances import NumpyDistances
from lsh_core.models.kmeans import (
    distinct_rows,
    group_rows,
    kmeans,
    means,
    nearest_centroid,
    replace_repeated,
    row_hashes,
)
from lsh_core.models.parallel import all_cores, map_parts

FLAT_LISTS = 1024
FLAT_ITERATIONS = 10
FLAT_ROWS_PER_LIST = 64
TOP_ITERATIONS = 8
TOP_ROWS_PER_CLUSTER = 800
INNER_ITERATIONS = 6
PART_BYTES = 2**26
REFINEMENTS = 3
REFINEMENT_EXAMINED = 512


def fit_centroids(sample: Float32Array, lists: int, generator: np.random.Generator, spill: int = 1) -> Float32Array:
    """Find the centroids of `lists` lists, or of one list per distinct row.

    Parameters
    ----------
    sample : (n, d) float32
    spill
        Number of nearest lists that each row will be in, which decides the sizes of lists.

    Returns
    -------
    (min(lists, distinct rows), d) float32: finite, no two equal.
    """
    draw = distinct_rows(sample)
    lists = min(lists, len(draw))
    if lists == len(draw):
        return sample[draw]
    threads = all_cores()
    if lists <= FLAT_LISTS:
        part = _part(sample, draw, lists, FLAT_ROWS_PER_LIST, generator)
        centroids = kmeans(
            part, lists, generator, iterations=FLAT_ITERATIONS, draw=np.arange(len(part)), threads=threads
        )
    else:
        centroids = replace_repeated(_cluster_by_cluster(sample, draw, lists, generator, threads), sample, draw)
    hashes = None if len(draw) == len(sample) else row_hashes(sample)
    for _ in range(REFINEMENTS):
        groups = make_groups(centroids, REFINEMENT_EXAMINED, generator, threads) if lists > FLAT_LISTS else None
        near = nearest_lists(NumpyDistances(centroids, threads), sample, min(spill, lists), groups, threads)
        centroids = means(sample, near[:, 0], centroids, generator)
        centroids = replace_repeated(split_heavy(sample, near, centroids, generator, hashes), sample, draw)
    return centroids


def _cluster_by_cluster(
    sample: Float32Array, draw: Int64Array, lists: int, generator: np.random.Generator, threads: int
) -> Float32Array:
    clusters = round(math.sqrt(lists))
    part = _part(sample, draw, clusters, TOP_ROWS_PER_CLUSTER, generator)
    top = kmeans(part, clusters, generator, iterations=TOP_ITERATIONS, draw=np.arange(len(part)), threads=threads)
    order, bounds = group_rows(nearest_centroid(sample, top, threads), clusters)
    is_drawn = np.zeros(len(sample), dtype=bool)
    is_drawn[draw] = True
    drawn_before = np.concatenate(([0], np.cumsum(is_drawn[order])))
    shares = share_lists(np.diff(bounds), np.diff(drawn_before[bounds]), lists)
    divided = np.flatnonzero(shares).tolist()
    # Each cluster has its own generator, so that threads draw the same rows in any order.
    generators = dict(zip(divided, generator.spawn(len(divided)), strict=True))

    def divide(cluster: int) -> Float32Array:
        rows = order[bounds[cluster] : bounds[cluster + 1]]
        inner_draw = np.flatnonzero(is_drawn[rows])
        lists = int(shares[cluster])
        return kmeans(sample[rows], lists, generators[cluster], iterations=INNER_ITERATIONS, draw=inner_draw)

    return np.concatenate(map_parts(divide, divided, threads))


def share_lists(rows: Int64Array, capacity: Int64Array, lists: int) -> Int64Array:
    """Share `lists` lists among clusters in proportion to their rows.

    Parameters
    ----------
    rows : (c,) int64
        Rows of each cluster.
    capacity : (c,) int64
        Distinct rows of each cluster, the maximum of its lists. Their sum is at least `lists`.

    Returns
    -------
    (c,) int64 whose sum is `lists`, nowhere above `capacity`.
    """
    shares = np.zeros(len(rows), dtype=np.int64)
    open_clusters = capacity > 0
    while (left := lists - int(shares.sum())) > 0:
        weights = np.where(open_clusters, rows, 0)
        exact = left * (weights / weights.sum())
        add = np.minimum(exact.astype(np.int64), capacity - shares)
        if not add.any():
            # Fewer lists remain than clusters: the largest remainders get one each.
            add[np.argsort(-exact, kind="stable")[:left]] = 1
            add[~open_clusters] = 0
        shares += add
        open_clusters = shares < capacity
    return shares


def _part(
    sample: Float32Array, draw: Int64Array, clusters: int, rows_per_cluster: int, generator: np.random.Generator
) -> Float32Array:
    """Return random distinct rows of the sample, in order: enough for `clusters`, at most `PART_BYTES`."""
    rows = max(clusters, min(clusters * rows_per_cluster, PART_BYTES // sample[:1].nbytes))
    if len(draw) > rows:
        draw = np.sort(generator.choice(draw, size=rows, replace=False))
    return sample if len(draw) == len(sample) else sample[draw]
