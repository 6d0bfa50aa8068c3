"""Exact neighbours are the same numbers and the same bits, whichever library sieves."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lsh_core import backends
from lsh_core.errors import MissingPackageError, SettingsError
from lsh_core.exact import nearest_rows
from lsh_core.exact.nearest_rows import NearestRows, exact_neighbours


def assert_same(rows: np.ndarray, queries: np.ndarray, k: int, metric: str, block: int = 8_192) -> None:
    expected, distances = exact_neighbours(rows, queries, k, metric, block=block, backend="numpy")
    found, measured = exact_neighbours(rows, queries, k, metric, block=block, backend="tensorflow")
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(measured.view(np.int32), distances.view(np.int32))


@pytest.mark.parametrize("metric", ["l2", "cosine", "dot"])
@pytest.mark.parametrize(("block", "k"), [(7, 3), (61, 10), (8_192, 1), (8_192, 500)])
@pytest.mark.parametrize("scale", [1, 1e-12, 1e12])
def test_same_answers(metric: str, block: int, k: int, scale: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest_rows, "_QUERY_BLOCK", 33)
    generator = np.random.default_rng(0)
    rows = (generator.normal(size=(500, 24)) * scale).astype(np.float32)
    rows[100:150] = rows[:50]  # Repeated vectors: ties to the last bit.
    queries = np.concatenate([rows[:20], (generator.normal(size=(20, 24)) * scale).astype(np.float32)])
    assert_same(rows, queries, k, metric, block)


@pytest.mark.parametrize("metric", ["l2", "dot"])
@pytest.mark.parametrize("shortest", [-1, -10, -60])
def test_same_answers_for_widely_different_lengths(metric: str, shortest: int) -> None:
    """Beside the longest, some are too short for float32 to hold them, scaled: TensorFlow takes them for zero."""
    generator = np.random.default_rng(1)
    rows = generator.normal(size=(300, 16)) * 10 ** generator.uniform(shortest, 17, (300, 1))
    rows[200:250], rows[7] = rows[:50], 0
    queries = generator.normal(size=(30, 16)) * 10 ** generator.uniform(shortest, 17, (30, 1))
    queries[3], queries[4] = 0, -queries[5]
    for k in (1, 10, 300):
        assert_same(rows, queries, k, metric)


@pytest.mark.parametrize("scale", [1e-19, 1e-20, 1e-21, 1e-22])
def test_same_answers_where_squares_are_not_normal_numbers(scale: float) -> None:
    """One long query, and beside it the squares of all others are near the smallest number that float32 has."""
    generator = np.random.default_rng(2)
    rows = generator.normal(size=(2_000, 16)) * scale
    queries = generator.normal(size=(60, 16)) * scale
    queries[0] = 1
    assert_same(rows, queries, 10, "l2", block=100)


@pytest.mark.parametrize("metric", ["l2", "cosine", "dot"])
def test_same_answers_where_all_are_nearly_as_near(metric: str) -> None:
    """Rows that differ by 1 in 10,000: what is rounded to TF32 tells none of them from the others."""
    generator = np.random.default_rng(0)
    queries = (10_000 + generator.normal(size=(20, 64))).astype(np.float32)
    rows = np.repeat(queries, 20, axis=0) + generator.integers(-1, 2, (400, 64)).astype(np.float32)
    assert_same(rows, queries, 5, metric, block=50)


@given(st.data(), st.sampled_from(["l2", "cosine", "dot"]), st.sampled_from([3, 40]))
@settings(deadline=None, max_examples=25)
def test_same_ties(data: st.DataObject, metric: str, block: int) -> None:
    grid = st.sampled_from([-2.0, -1.0, 1.0, 2.0])  # Many rows at exactly the same distance.
    count = data.draw(st.integers(1, 40))
    rows = data.draw(arrays.arrays(np.float32, (count, 2), elements=grid))
    queries = data.draw(arrays.arrays(np.float32, (3, 2), elements=grid))
    assert_same(rows, queries, data.draw(st.integers(1, count)), metric, block)


def test_no_product_is_rounded_to_tf32(monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorflow as tf

    rounds = tf.config.experimental.tensor_float_32_execution_enabled
    before, matmul, seen = rounds(), tf.matmul, []

    def watched(*given: Any, **options: Any) -> Any:
        seen.append(rounds())
        return matmul(*given, **options)

    monkeypatch.setattr(tf, "matmul", watched)
    assert_same(np.eye(3), np.eye(3), 2, "l2")
    assert seen == [False]
    assert rounds() == before


def test_auto_wakes_no_gpu_for_little(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[str] = []
    monkeypatch.setattr(backends, "_tensorflow_has_gpu", lambda: True)
    monkeypatch.setattr(backends, "gpu_seen", lambda: bool(chosen.append("looked")) or True)
    queries = np.ones((2, 2**10))
    for expected, looked in ((2**27 - 1, 0), (2**27, 1)):
        NearestRows(queries, 1, "l2", expected=expected)
        assert len(chosen) == looked


def test_backends_that_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="backend='jax'"):
        exact_neighbours(np.eye(3), np.eye(3), 1, "l2", backend="jax")
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(MissingPackageError, match="backend=tensorflow needs the package tensorflow"):
        exact_neighbours(np.eye(3), np.eye(3), 1, "l2", backend="tensorflow")
