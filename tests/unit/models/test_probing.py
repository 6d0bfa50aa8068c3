"""The nearest centroids of queries, by all dimensions or first by their principal axes."""

from __future__ import annotations

import numpy as np
import pytest

from lsh_core.models import probing
from lsh_core.models.probing import Probing, principal_axes, smallest


def made(lists: int, dims: int, inner: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return centroids that lie near a plane of `inner` dimensions, off the origin, and queries beside them."""
    generator = np.random.default_rng(seed)
    plane = generator.normal(size=(inner, dims))
    points = generator.normal(size=(lists + 50, inner)) @ plane + 3 * generator.normal(size=dims)
    points += 0.5 * generator.normal(size=points.shape)
    return points[:lists].astype(np.float32), points[lists:].astype(np.float32)


def exact(queries: np.ndarray, centroids: np.ndarray, by_product: bool) -> np.ndarray:
    products = queries.astype(np.float64) @ centroids.T.astype(np.float64)
    if by_product:
        return -products
    return (queries.astype(np.float64) ** 2).sum(1)[:, None] + (centroids.astype(np.float64) ** 2).sum(1) - 2 * products


@pytest.mark.parametrize("by_product", [False, True])
@pytest.mark.parametrize("count", [1, 7, 600])
def test_few_centroids_are_all_compared(by_product: bool, count: int) -> None:
    centroids, queries = made(600, 24, 8)
    distances = exact(queries, centroids, by_product)
    lists, found = Probing(centroids, by_product=by_product).nearest(queries, count)
    assert (lists.dtype, lists.shape, found.dtype) == (np.int64, (50, count), np.float32)
    assert (lists == distances.argsort(axis=1)[:, :count]).mean() > 0.999  # Equal ones in float32.
    np.testing.assert_allclose(found, np.take_along_axis(distances, lists, axis=1), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("by_product", [False, True])
@pytest.mark.parametrize("count", [1, 26, 120])
def test_many_centroids_lose_next_to_nothing(monkeypatch: pytest.MonkeyPatch, by_product: bool, count: int) -> None:
    monkeypatch.setattr(probing, "MIN_NUMBERS", 0)
    centroids, queries = made(4000, 96, 20)
    both = Probing(centroids, by_product=by_product)
    assert both._short is not None
    assert both._short.axes.shape[1] < 48
    distances = exact(queries, centroids, by_product)
    lists, found = both.nearest(queries, count)
    wanted = distances.argsort(axis=1)[:, :count]
    assert np.mean([np.isin(row, want).mean() for row, want in zip(lists, wanted, strict=True)]) > 0.999
    assert (lists[:, 0] == wanted[:, 0]).all()
    np.testing.assert_allclose(found, np.take_along_axis(distances, lists, axis=1), rtol=1e-3, atol=1e-3)
    one, _ = both.nearest(queries[3:4], count)
    assert np.isin(one, lists[3]).all()
    assert (both.nearest(queries[:2], 4000)[0] == distances[:2].argsort(axis=1)).mean() > 0.99


def test_axes_that_explain_little_are_not_used() -> None:
    noise = np.random.default_rng(0).normal(size=(3000, 64)).astype(np.float32)
    assert principal_axes(noise) is None
    assert principal_axes(np.zeros((100, 64), np.float32)) is None


def test_no_query_has_no_lists() -> None:
    centroids, _ = made(600, 24, 8)
    lists, distances = Probing(centroids).nearest(np.zeros((0, 24), np.float32), 5)
    assert (lists.shape, distances.shape) == ((0, 5), (0, 5))


def test_a_query_on_a_centroid_is_at_no_distance() -> None:
    centroids, _ = made(600, 24, 8)
    lists, distances = Probing(centroids).nearest(centroids[:9], 2)
    assert lists[:, 0].tolist() == list(range(9))
    assert (distances >= 0).all()


def test_the_smallest_of_each_row() -> None:
    places, values = smallest(np.array([[3.0, 1.0, 2.0], [0.0, 5.0, -1.0]], np.float32), 2)
    assert (places.tolist(), values.tolist()) == ([[1, 2], [2, 0]], [[1.0, 2.0], [-1.0, 0.0]])
