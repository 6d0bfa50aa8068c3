from __future__ import annotations

import numpy as np
import pytest

from lsh_core.errors import SettingsError
from lsh_core.models import Hyperplane


@pytest.mark.parametrize(
    ("knobs", "setting"), [({"tables": 0}, "tables"), ({"bits": 0}, "bits"), ({"bits": 33}, "bits")]
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
    model = Hyperplane(tables=10, bits=8).fit(rows)
    assert (model.probe(rows, 1) == model.encode(rows).tokens).all()
    assert (model.probe(rows, 1000) == model.encode(rows).tokens).all()


def test_the_sides_split_real_rows(clustered):
    tokens = Hyperplane(tables=20, bits=4).fit(clustered(2000)).encode(clustered(2000)).tokens
    used = [len(np.unique(column)) for column in tokens.T]
    assert np.mean(used) > 8


def test_bits_grow_with_rows():
    bits = [Hyperplane.default_bits(rows) for rows in (1, 10, 1000, 10_000, 10**6, 10**9)]
    assert bits == sorted(bits)
    assert bits[0] >= 1
    assert bits[-1] <= 32
    assert [Hyperplane.default_bits(10**6, metric) for metric in ("l2", "cosine", "dot")] == [14, 14, 9]
    assert Hyperplane(metric="dot", tables=1).fit(np.eye(8, dtype=np.float32), rows=10**6).bits_ == 9
