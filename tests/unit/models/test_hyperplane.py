from __future__ import annotations

import numpy as np
import pytest

from lsh_core.errors import SettingsError
from lsh_core.models.hyperplane import Hyperplane


@pytest.mark.parametrize(
    ("knobs", "setting"),
    [
        ({"tables": 0}, "tables"),
        ({"bits": 0}, "bits"),
        ({"bits": 33}, "bits"),
        ({"multiprobe": -1}, "multiprobe"),
        ({"multiprobe": 65}, "multiprobe"),
        ({"tables": 200, "multiprobe": 5}, "multiprobe"),
    ],
)
def test_impossible_knobs(knobs, setting, clustered):
    with pytest.raises(SettingsError) as caught:
        Hyperplane(**knobs).fit(clustered(100))
    assert caught.value.setting == setting


@pytest.mark.parametrize("bits", [1, 7, 8, 9, 16, 17, 31, 32])
@pytest.mark.parametrize("metric", ["l2", "cosine", "dot"])
def test_tokens_are_tables_and_sides(bits, metric, clustered):
    rows = clustered(700)
    model = Hyperplane(metric=metric, tables=3, bits=bits).fit(rows)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if metric == "cosine":
        rows = rows / lengths
    if metric == "dot":
        rows = np.hstack([rows, np.sqrt(np.maximum(lengths.max() ** 2 - lengths**2, 0))])
    sides = (rows.astype(np.float64) @ model.normals_.T > model.offsets_).reshape(700, 3, bits)
    codes = (sides * (1 << np.arange(bits, dtype=np.int64))).sum(axis=2)
    expected = (np.arange(3) << bits) | codes
    tokens = model.encode(clustered(700)).tokens
    assert (tokens == expected).mean() > 0.99
    assert (tokens >> bits == np.arange(3)).all()


def test_planes_bisect_two_rows_of_the_sample():
    sample = np.array([[0, 0], [4, 0]], dtype=np.float32)
    model = Hyperplane(tables=5, bits=1).fit(sample)
    assert np.abs(model.normals_) == pytest.approx(np.tile([1.0, 0.0], (5, 1)))
    assert np.abs(model.offsets_) == pytest.approx(np.full(5, 2.0))


@pytest.mark.parametrize("metric", ["cosine", "dot"])
def test_angular_planes_go_through_the_origin(metric, clustered):
    model = Hyperplane(metric=metric, tables=9, bits=5).fit(clustered(200))
    assert not model.offsets_.any()
    assert np.linalg.norm(model.normals_, axis=1) == pytest.approx(1.0)


def test_a_query_asks_for_what_the_row_has(clustered):
    rows = clustered(300)
    alone = Hyperplane(tables=10, bits=8, multiprobe=0).fit(rows)
    several = Hyperplane(tables=10, bits=8, multiprobe=3).fit(rows)
    for effort in (1, 1000):
        assert (alone.probe(rows, effort) == alone.encode(rows).tokens).all()
        assert (several.probe(rows, effort)[:, :10] == several.encode(rows).tokens).all()


@pytest.mark.parametrize("metric", ["l2", "cosine"])
def test_a_query_looks_beyond_its_nearest_planes(metric, clustered):
    rows = clustered(300)
    model = Hyperplane(metric=metric, tables=6, bits=5, multiprobe=4).fit(rows)
    probes = model.probe(rows, 1).reshape(300, 5, 6)
    if metric == "cosine":
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    distances = np.abs(rows @ model.normals_.T - model.offsets_).reshape(300, 6, 5)
    scores = []
    for bucket in range(1, 5):
        differ = probes[:, bucket] ^ probes[:, 0]
        assert (differ > 0).all()
        assert (differ < 32).all()
        sides = (differ[:, :, None] >> np.arange(5)) & 1
        scores.append((sides * distances**2).sum(axis=2))
    assert scores[0] == pytest.approx((distances**2).min(axis=2), rel=1e-3, abs=1e-6)
    assert (np.diff(scores, axis=0) >= -1e-4).all()


def test_more_buckets_than_there_are():
    rows = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    model = Hyperplane(tables=2, bits=2, multiprobe=10).fit(rows)
    assert model.multiprobe_ == 3
    assert (np.sort(model.probe(rows, 1).reshape(50, 4, 2), axis=1)[:, :, 0] == np.arange(4)).all()


def test_by_default_a_query_has_no_more_tokens_than_the_server_takes(clustered):
    for tables in (1, 100, 512):
        model = Hyperplane(tables=tables).fit(clustered(100), rows=10**6)
        assert model.probe(clustered(2), 1).shape[1] <= 1024


def test_multiprobe_changes_nothing_that_is_indexed(clustered):
    rows = clustered(200)
    without, several = (Hyperplane(tables=7, bits=6, multiprobe=count).fit(rows) for count in (0, 9))
    assert (without.encode(rows).tokens == several.encode(rows).tokens).all()


def test_the_sides_split_real_rows(clustered):
    tokens = Hyperplane(tables=20, bits=4).fit(clustered(2000)).encode(clustered(2000)).tokens
    used = [len(np.unique(column)) for column in tokens.T]
    assert np.mean(used) > 8


def test_bits_grow_with_rows():
    bits = [Hyperplane.default_bits(rows) for rows in (1, 10, 1000, 10_000, 10**6, 10**9)]
    assert bits == sorted(bits)
    assert bits[0] >= 1
    assert bits[-1] <= 32
    assert [Hyperplane.default_bits(10**6, metric) for metric in ("l2", "cosine", "dot")] == [17, 17, 12]
    assert Hyperplane(metric="dot", tables=1).fit(np.eye(8, dtype=np.float32), rows=10**6).bits_ == 12
