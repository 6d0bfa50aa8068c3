from __future__ import annotations

import numpy as np
import pytest

from lsh_core.models import hierarchical
from lsh_core.models.hierarchical import fit_centroids
from lsh_core.models.kmeans import nearest_centroid


def check(centroids, lists):
    assert centroids.dtype == np.float32
    assert centroids.shape == (lists, 16)
    assert np.isfinite(centroids).all()
    assert len(np.unique(centroids, axis=0)) == lists


@pytest.mark.parametrize("lists", [1, 2, 700, 1024, 1025, 1777])
def test_as_many_lists_as_asked_for(lists, clustered):
    check(fit_centroids(clustered(4000), lists, np.random.default_rng(0)), lists)


@pytest.mark.parametrize("lists", [500, 1500])
def test_samples_smaller_than_lists(lists, clustered):
    check(fit_centroids(clustered(300), lists, np.random.default_rng(0)), 300)


@pytest.mark.parametrize("lists", [600, 1300, 1400])
def test_many_repeated_rows(lists, clustered):
    distinct = clustered(1400)
    weights = np.where(np.arange(1400) < 5, 1000, 1)
    check(fit_centroids(np.repeat(distinct, weights, axis=0), lists, np.random.default_rng(0)), lists)


def test_two_levels_lose_little_to_one(clustered, monkeypatch):
    sample = clustered(8000, clusters=300)

    def error(centroids):
        return ((sample - centroids[nearest_centroid(sample, centroids)]) ** 2).sum()

    two_levels = error(fit_centroids(sample, 1100, np.random.default_rng(0)))
    monkeypatch.setattr(hierarchical, "FLAT_LISTS", 2000)
    assert two_levels < 1.1 * error(fit_centroids(sample, 1100, np.random.default_rng(0)))
