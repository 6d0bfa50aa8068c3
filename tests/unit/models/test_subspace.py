from __future__ import annotations

import numpy as np
import pytest

from lsh_core.errors import SettingsError
from lsh_core.models.subspace import Subspace


@pytest.mark.parametrize(
    ("knobs", "setting"),
    [
        ({"parts": 0}, "parts"),
        ({"parts": 513}, "parts"),
        ({"parts": 17}, "parts"),
        ({"clusters": 1}, "clusters"),
        ({"clusters": 4097}, "clusters"),
    ],
)
def test_impossible_knobs(knobs, setting, clustered):
    with pytest.raises(SettingsError) as caught:
        Subspace(**knobs).fit(clustered(100))
    assert caught.value.setting == setting


@pytest.mark.parametrize("parts", [1, 3, 5, 16])
@pytest.mark.parametrize("metric", ["l2", "cosine"])
def test_tokens_are_parts_and_their_nearest_clusters(parts, metric, clustered):
    rows = clustered(700)
    model = Subspace(metric=metric, parts=parts, clusters=6).fit(rows)
    if metric == "cosine":
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    bounds = [part * 16 // parts for part in range(parts + 1)]
    tokens = model.encode(rows.astype(np.float32)).tokens
    for part in range(parts):
        own = rows[:, bounds[part] : bounds[part + 1]].astype(np.float64)
        centroids = model.centroids_[part, :, : own.shape[1]]
        nearest = ((own[:, None] - centroids[None]) ** 2).sum(axis=2).argmin(axis=1)
        assert (tokens[:, part] == part * 6 + nearest).mean() > 0.99
    assert (tokens // 6 == np.arange(parts)).all()


def test_clusters_of_a_part_with_few_values_are_those_values(clustered):
    rows = clustered(300)
    rows[:, :8] = np.where(rows[:, :8] > 0, np.float32(1), np.float32(0))
    rows[:, 1:8] = rows[:, :1]
    model = Subspace(parts=2, clusters=20).fit(rows)
    assert model.counts_.tolist() == [2, 20]
    assert sorted(model.centroids_[0, :2, 0].tolist()) == [0.0, 1.0]
    tokens = model.encode(clustered(50) * np.float32(100)).tokens
    assert set(tokens[:, 0].tolist()) <= {0, 1}


def test_narrow_parts_are_not_moved_by_their_neighbours():
    rows = np.random.default_rng(0).normal(size=(500, 5)).astype(np.float32)
    model = Subspace(parts=2, clusters=4).fit(rows)
    moved = rows.copy()
    moved[:, 2:] += 100
    before, after = model.encode(rows).tokens, model.encode(moved).tokens
    assert (before[:, 0] == after[:, 0]).all()
    assert (before[:, 1] != after[:, 1]).any()


def test_a_query_asks_for_what_the_row_has(clustered):
    rows = clustered(300)
    model = Subspace(parts=4, clusters=8).fit(rows)
    for effort in (1, 1000):
        assert (model.probe(rows, effort) == model.encode(rows).tokens).all()


def test_a_row_alone_has_the_tokens_that_it_has_among_others(clustered):
    rows = clustered(100)
    model = Subspace().fit(rows)
    assert (np.concatenate([model.encode(row[None]).tokens for row in rows]) == model.encode(rows).tokens).all()


@pytest.mark.parametrize(("dims", "parts"), [(1, 1), (3, 3), (32, 32), (128, 32), (384, 48), (1536, 128), (4096, 128)])
def test_default_parts(dims, parts):
    assert Subspace.default_parts(dims) == parts


def test_neighbours_share_more_parts_than_strangers(clustered):
    rows = clustered(400)
    model = Subspace(parts=8, clusters=8).fit(rows)
    near = model.encode(rows + np.float32(0.01)).tokens == model.encode(rows).tokens
    far = model.encode(np.roll(rows, 7, axis=0)).tokens == model.encode(rows).tokens
    assert near.sum(axis=1).mean() > 7
    assert far.sum(axis=1).mean() < 4
