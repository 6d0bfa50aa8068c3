from __future__ import annotations

import numpy as np
import pytest

from lsh_core.models import kmeans as kmeans_module
from lsh_core.models.kmeans import (
    distinct_rows,
    group_rows,
    kmeans,
    means,
    nearest_centroid,
    replace_repeated,
    row_hashes,
)


def generator():
    return np.random.default_rng(3)


def test_separated_clusters_are_found():
    corners = np.array([[0, 0], [0, 90], [90, 0], [90, 90]], dtype=np.float32)
    noise = generator().standard_normal((400, 2)).astype(np.float32)
    vectors = np.repeat(corners, 100, axis=0) + noise
    # One start in each corner; which random start finds all four is luck.
    draw = np.array([0, 100, 200, 300])
    found = kmeans(np.concatenate([vectors, vectors]), 4, generator(), iterations=5, draw=np.append(draw, 5))
    error = ((vectors - found[nearest_centroid(vectors, found)]) ** 2).sum(axis=1).mean()
    assert error < ((vectors - vectors.mean(axis=0)) ** 2).sum(axis=1).mean() / 2


def test_iterations_lower_the_error(clustered):
    vectors = clustered(2000)
    errors = []
    for iterations in (0, 2, 10):
        found = kmeans(vectors, 40, generator(), iterations=iterations, draw=np.arange(2000))
        errors.append(((vectors - found[nearest_centroid(vectors, found)]) ** 2).sum())
    assert errors[0] > errors[1] > errors[2]


@pytest.mark.parametrize("gather_bytes", [1, 500, 2**24])
def test_means_are_those_of_each_cluster(clustered, monkeypatch, gather_bytes):
    monkeypatch.setattr(kmeans_module, "GATHER_BYTES", gather_bytes)
    vectors = clustered(200)
    labels = generator().integers(9, size=200)
    found = means(vectors, labels, np.zeros((9, 16), dtype=np.float32), generator())
    assert found == pytest.approx(np.stack([vectors[labels == label].mean(axis=0) for label in range(9)]), abs=1e-4)


def test_centroids_without_rows_split_the_largest_cluster():
    vectors = np.concatenate([np.zeros((3, 2)), generator().standard_normal((50, 2)) + 50]).astype(np.float32)
    labels = np.array([1] * 3 + [2] * 50)
    found = means(vectors, labels, np.zeros((3, 2), dtype=np.float32), generator())
    assert (vectors[3:] == found[0]).all(axis=1).any()
    assert (found[1] == 0).all()


def test_many_empty_centroids_and_one_cluster():
    vectors = generator().standard_normal((5, 2)).astype(np.float32)
    found = means(vectors, np.zeros(5, dtype=np.int64), np.zeros((9, 2), dtype=np.float32), generator())
    assert np.isfinite(found).all()


def test_repeated_centroids_give_way_to_rows():
    vectors = np.arange(12, dtype=np.float32).reshape(6, 2)
    mended = replace_repeated(vectors[[0, 0, 1, 0]], vectors, np.arange(6))
    assert len(np.unique(mended, axis=0)) == 4
    assert (mended[[0, 2]] == vectors[[0, 1]]).all()


def test_group_rows():
    order, bounds = group_rows(np.array([2, 0, 2, 3]), 5)
    assert order.tolist() == [1, 0, 2, 3]
    assert bounds.tolist() == [0, 1, 1, 3, 4, 4]


def test_hashes_tell_rows_apart(clustered):
    vectors = clustered(5000, dims=3)
    vectors[17] = vectors[4000]
    vectors[20, 0], vectors[21] = 0.0, vectors[20]
    vectors[20, 0], vectors[21, 0] = 0.0, -0.0
    hashes = row_hashes(vectors)
    assert hashes[17] == hashes[4000]
    assert hashes[20] == hashes[21]
    assert len(np.unique(hashes)) == 4998
    assert distinct_rows(vectors).tolist() == [row for row in range(5000) if row not in (4000, 21)]
    # The same numbers in another order are another row.
    assert row_hashes(vectors[:1, ::-1].copy())[0] != hashes[0]
