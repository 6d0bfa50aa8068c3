"""Exact neighbours are those of scikit-learn's brute force, in float64, with ties by row."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lsh_core.exact import nearest_rows
from lsh_core.exact.nearest_rows import exact_neighbours


def reference(rows: np.ndarray, queries: np.ndarray, metric: str) -> np.ndarray:
    from sklearn.metrics.pairwise import cosine_distances, euclidean_distances, linear_kernel

    if metric == "dot":
        return -linear_kernel(queries.astype(np.float64), rows.astype(np.float64))
    measure = euclidean_distances if metric == "l2" else cosine_distances
    return measure(queries.astype(np.float64), rows.astype(np.float64))


@pytest.mark.parametrize("metric", ["l2", "cosine", "dot"])
@pytest.mark.parametrize("block", [1, 7, 100, 8_192])
@pytest.mark.parametrize("scale", [1, 1e-12, 1e12])
def test_agrees_with_brute_force(metric: str, block: int, scale: float) -> None:
    generator = np.random.default_rng(0)
    rows = (generator.normal(size=(500, 24)) * scale).astype(np.float32)
    rows[100:150] = rows[:50]
    queries = np.concatenate([rows[:20], (generator.normal(size=(20, 24)) * scale).astype(np.float32)])
    indices, distances = exact_neighbours(rows, queries, 10, metric, block=block)
    expected = reference(rows, queries, metric)
    close = {"rtol": 1e-5, "atol": 1e-6 * {"l2": scale, "cosine": 1, "dot": scale**2}[metric]}
    assert indices.dtype == np.int64
    assert distances.dtype == np.float32
    if metric != "dot":
        np.testing.assert_array_equal(indices[:20, :2], np.stack([np.arange(20), np.arange(100, 120)], axis=1))
        assert (distances[:20, :2] <= (0 if metric == "l2" else 1e-15)).all()
    np.testing.assert_allclose(distances, np.sort(expected)[:, :10], **close)
    np.testing.assert_allclose(np.take_along_axis(expected, indices, 1), distances, **close)


@pytest.mark.parametrize("lengths", [0.4, 8.0])
@pytest.mark.parametrize("block", [7, 8_192])
def test_products_of_widely_different_lengths(lengths: float, block: int) -> None:
    """Long rows and short queries, and the reverse: the bound of the sieve goes with both."""
    generator = np.random.default_rng(1)
    rows = (generator.normal(size=(600, 16)) * generator.lognormal(0, lengths, (600, 1))).astype(np.float32)
    rows[300:400] = rows[:100]
    queries = (generator.normal(size=(30, 16)) * generator.lognormal(0, lengths, (30, 1))).astype(np.float32)
    queries[3], queries[4], rows[7] = 0, -queries[5], 0
    for k in (1, 10, 600):
        indices, distances = exact_neighbours(rows, queries, k, "dot", block=block)
        products = -(queries[:, None].astype(np.float64) * rows[None].astype(np.float64)).sum(axis=2)
        order = np.argsort(products, axis=1, kind="stable")[:, :k]
        np.testing.assert_array_equal(indices, order)
        np.testing.assert_array_equal(distances, np.take_along_axis(products, order, 1).astype(np.float32))


@given(
    st.data(),
    st.sampled_from(["l2", "cosine", "dot"]),
    st.integers(1, 30),
    st.integers(1, 40),
)
@settings(deadline=None)
def test_ties_go_to_the_smaller_row(data: st.DataObject, metric: str, block: int, count: int) -> None:
    # Coordinates of a coarse grid: many rows at exactly the same distance.
    grid = st.sampled_from([-2.0, -1.0, 1.0, 2.0])
    rows = data.draw(arrays.arrays(np.float32, (count, 2), elements=grid))
    queries = data.draw(arrays.arrays(np.float32, (3, 2), elements=grid))
    k = data.draw(st.integers(1, count))
    indices, distances = exact_neighbours(rows, queries, k, metric, block=block)
    expected = np.round(reference(rows, queries, metric), 9)
    if metric != "cosine":
        order = np.lexsort((np.broadcast_to(np.arange(count), expected.shape), expected))
        np.testing.assert_array_equal(indices, order[:, :k])
    np.testing.assert_allclose(distances, np.sort(expected)[:, :k], atol=1e-6)
    assert all(len(set(row)) == k for row in indices.tolist())


def test_close_pairs_far_from_the_origin_are_told_apart() -> None:
    # |x|² - 2xq + |q|² loses these in float32: the rows differ by 1 in 10,000.
    generator = np.random.default_rng(0)
    queries = (10_000 + generator.normal(size=(5, 64))).astype(np.float32)
    rows = np.repeat(queries, 20, axis=0) + generator.integers(-1, 2, (100, 64)).astype(np.float32)
    indices, _ = exact_neighbours(rows, queries, 5, "l2", block=16)
    expected = ((rows[None].astype(np.float64) - queries[:, None]) ** 2).sum(2)
    np.testing.assert_array_equal(indices, np.argsort(expected, axis=1, kind="stable")[:, :5])


@pytest.mark.parametrize("scale", [1e-19, 1e-21, 1e-22, 1e-24])
def test_beside_a_long_query_short_ones_lose_nothing(scale: float) -> None:
    # Scaled as the long one needs it, the squares of the others are below the normal numbers of float32.
    generator = np.random.default_rng(2)
    rows, queries = generator.normal(size=(2_000, 16)) * scale, generator.normal(size=(60, 16)) * scale
    queries[0] = 1
    indices, _ = exact_neighbours(rows, queries, 10, "l2", block=100)
    expected = ((rows[None] - queries[1:, None]) ** 2).sum(axis=2).argsort(axis=1, kind="stable")[:, :10]
    np.testing.assert_array_equal(indices[1:], expected)


def test_many_queries_and_many_equal_rows_stay_within_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest_rows, "_QUERY_BLOCK", 3)
    monkeypatch.setattr(nearest_rows, "_PAIR_NUMBERS", 16)
    rows = np.ones((50, 4), np.float16)
    indices, distances = exact_neighbours(rows, rows[:8].astype(np.float64), 5, "cosine", block=20)
    assert (indices == np.arange(5)).all()
    assert (distances == 0).all()


@pytest.mark.parametrize(
    ("rows", "queries", "k", "metric", "reason"),
    [
        (np.ones((3, 2)), np.ones((1, 2)), 4, "l2", "k is 4"),
        (np.ones((3, 2)), np.ones((1, 2)), 0, "l2", "k is 0"),
        (np.ones((3, 2)), np.ones((1, 3)), 1, "l2", "same width"),
        (np.ones((3, 2)), np.ones(2), 1, "l2", "same width"),
        (np.ones((3, 2)), np.ones((1, 2)), 1, "jaccard", "metric='jaccard': must be one of l2, cosine, dot"),
        (np.array([[1.0, 0], [0, 0]]), np.ones((1, 2)), 1, "cosine", "row 1 is zero"),
        (np.ones((3, 2)), np.zeros((1, 2)), 1, "cosine", "query 0 is zero"),
        (np.array([[1.0, np.nan]]), np.ones((1, 2)), 1, "l2", "row 0 has a number that is not finite"),
        (np.array([[1.0, np.inf]]), np.ones((1, 2)), 1, "dot", "row 0 has a number that is not finite"),
        (np.ones((3, 2)), np.array([[0, np.nan]]), 1, "dot", "query 0 has a number that is not finite"),
    ],
)
def test_bad_input_is_refused(rows: np.ndarray, queries: np.ndarray, k: int, metric: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        exact_neighbours(rows, queries, k, metric)
