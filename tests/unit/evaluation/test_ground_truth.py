"""Exact neighbours among the rows of an index, whole or in slices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lsh_core.builds.id_hashes import digests, hash_ids
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.scan import open_view
from lsh_core.evaluation import ground_truth, query_set
from lsh_core.evaluation.ground_truth import ExactSearch, nearest_in_index, nearest_in_view, true_neighbours
from lsh_core.evaluation.query_set import QuerySet
from lsh_core.exact.known_neighbours import KnownNeighbours
from lsh_core.exact.nearest_rows import exact_neighbours
from tests.fakes.memory_server import MemoryServer
from tests.fakes.vector_fields import list_field

INDEX = "airlsh-docs-1"


def cluster_with(vectors: np.ndarray) -> Cluster:
    """Return a cluster whose index has these rows, and one without a vector."""
    server: Any = MemoryServer()
    server.create(index=INDEX)
    for row, vector in enumerate(vectors.tolist()):
        server.index(index=INDEX, id=f"r{row}", document={"v": vector, "even": row % 2 == 0})
    server.index(index=INDEX, id="empty", document={"even": True})
    return Cluster(server)


def rows_of(hashes: np.ndarray, count: int) -> list[list[int]]:
    numbers = {digest: row for row, digest in enumerate(digests(hash_ids([f"r{row}" for row in range(count)])))}
    return [[numbers.get(digest, -1) for digest in digests(each)] for each in hashes]


@pytest.fixture(autouse=True)
def _small_pages_and_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_set, "_PAGE_BYTES", 7 * 3 * 6)
    monkeypatch.setattr(ground_truth, "_BLOCK_NUMBERS", 15 * 3)


@pytest.mark.parametrize("count", [0, 1, 7, 50])
@pytest.mark.parametrize("k", [1, 5, 80])
def test_the_rows_of_an_index_are_found_with_infinity_behind_the_last(count: int, k: int) -> None:
    generator = np.random.default_rng(count)
    vectors, queries = (generator.normal(size=(size, 3)).astype(np.float32) for size in (count, 4))
    measures, hashes = nearest_in_index(cluster_with(vectors), INDEX, ExactSearch(list_field(), queries, k))
    assert measures.shape == hashes.shape[:2] == (4, k)
    found = min(count, k)
    assert np.isinf(measures[:, found:]).all()
    if found:
        rows, distances = exact_neighbours(vectors, queries, found, "l2")
        assert rows_of(hashes[:, :found], count) == rows.tolist()
        np.testing.assert_allclose(np.sqrt(measures[:, :found]), distances, rtol=1e-6)


def test_only_rows_that_match_a_filter_are_compared() -> None:
    vectors = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    search = ExactSearch(list_field(), vectors[:3], 10, {"term": {"even": True}})
    _, hashes = nearest_in_index(cluster_with(vectors), INDEX, search)
    assert all(sorted(rows) == list(range(0, 20, 2)) for rows in rows_of(hashes, 20))


@pytest.mark.parametrize("slices", [2, 9, 60])
def test_slices_together_are_the_whole_although_some_are_empty(slices: int) -> None:
    vectors = np.random.default_rng(1).integers(0, 3, size=(40, 3)).astype(np.float32)
    cluster, search = cluster_with(vectors), ExactSearch(list_field(), vectors[:5], 6)
    best = KnownNeighbours(np.empty((5, 0)), np.empty((5, 0, 2), np.uint64), np.full(5, np.inf))
    with open_view(cluster, INDEX) as view:
        for number in range(slices):
            best = best.with_rows(*nearest_in_view(cluster, view, search, part=(number, slices))).nearest(6)
    measures, _ = nearest_in_index(cluster, INDEX, search)
    np.testing.assert_array_equal(best.measures, measures)
    for found, own in zip(rows_of(best.id_hashes, 40), best.measures, strict=True):
        assert len(set(found)) == 6
        assert -1 not in found
        assert (own == np.sort(own)).all()


def test_a_query_is_not_its_own_neighbour_even_among_equal_rows() -> None:
    vectors = np.ones((4, 3), np.float32)
    queries = QuerySet(vectors[[1, 3]], ("r1", "r3"))
    truth = true_neighbours(cluster_with(vectors), INDEX, list_field(), queries, 10, rows=4)
    assert truth.distances.tolist() == [[0.0] * 3] * 2
    assert [set(rows) for rows in rows_of(truth.id_hashes, 4)] == [{0, 2, 3}, {0, 1, 2}]


def test_a_query_that_left_the_index_has_as_many_neighbours() -> None:
    vectors = np.random.default_rng(2).normal(size=(9, 3)).astype(np.float32)
    queries = QuerySet(vectors[:2], ("r0", "gone"))
    truth = true_neighbours(cluster_with(vectors), INDEX, list_field(), queries, 3, rows=9)
    own, gone = rows_of(truth.id_hashes, 9)
    assert 0 not in own
    assert gone[0] == 1
    assert truth.distances.shape == (2, 3)


def test_one_row_has_no_neighbour() -> None:
    vectors = np.ones((1, 3), np.float32)
    truth = true_neighbours(cluster_with(vectors), INDEX, list_field(), QuerySet(vectors, ("r0",)), 10, rows=1)
    assert truth.distances.shape == (1, 0)
