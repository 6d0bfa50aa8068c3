"""The metric dot on a real node: rows of widely different lengths, asked for those with the largest inner products."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lsh_core.elastic.connection import Connection
from lsh_core.evaluation.recall import recall_at_k
from lsh_core.exact.nearest_rows import exact_neighbours
from lsh_core.jobs.index import run_index
from lsh_core.jobs.services import Services
from lsh_core.jobs.train import train
from lsh_core.search.vector_index import VectorIndex
from lsh_core.settings import IndexSettings, TrainSettings
from tests.fakes.parquet_sources import clustered, write_source

ROWS, DIMS, K, QUERIES, LONGER = 6_000, 24, 10, 100, 12
LENGTHS = np.random.default_rng(3).lognormal(0, 0.4, (ROWS, 1))
POINTS = clustered(ROWS + QUERIES, DIMS, seed=5)
POINTS /= np.linalg.norm(POINTS, axis=1, keepdims=True)
VECTORS = (POINTS[:ROWS] * LENGTHS).astype(np.float32)
VECTORS[17] = 0  # Under dot a row like any other.
VECTORS[40:43] = VECTORS[43]
ASKED = POINTS[ROWS:] * np.linspace(0.1, 50, QUERIES, dtype=np.float32)[:, np.newaxis]


@pytest.fixture(scope="module")
def services(one_node: Any, dask_cluster: Any) -> Services:
    return Services(Connection(tuple(one_node.urls)), dask_cluster.address)


@pytest.fixture(scope="module", params=["ivf", "hyperplane"])
def indexed(services: Services, tmp_path_factory: pytest.TempPathFactory, request: Any) -> tuple[Any, VectorIndex]:
    name = f"dot-{request.param}"
    folder = tmp_path_factory.mktemp(name)
    source = write_source(folder / "rows.parquet", list(range(ROWS)), VECTORS, row_group=900)
    shorter = np.sort(np.linalg.norm(VECTORS, axis=1).argsort()[:-LONGER])
    earlier = write_source(folder / "earlier.parquet", shorter.tolist(), VECTORS[shorter])
    train(TrainSettings(name=name, source=earlier, metric="dot", model=request.param), services)
    report = run_index(IndexSettings(name=name, source=source, shards=2), services)
    return report, VectorIndex(name, services.connection)


def test_every_row_is_there_and_those_longer_than_the_sample_are_counted(indexed: tuple[Any, VectorIndex]) -> None:
    report, searcher = indexed
    assert report.accepted == report.documents == ROWS
    assert report.dead_lettered == 0
    assert report.rows_beyond_norm == LONGER
    assert report.recall >= 0.9
    assert searcher.build.field.similarity == "max_inner_product"


def test_the_largest_products_are_found_among_few_rows(indexed: tuple[Any, VectorIndex]) -> None:
    _, searcher = indexed
    effort = {"probes": 30} if searcher.build.field.retrieval == "lists" else {"candidates": 550}
    answers = list(searcher.search_many(ASKED, k=K, fields=(), **effort))
    exact, distances = exact_neighbours(VECTORS, ASKED, K, "dot")
    recall = recall_at_k(
        [[int(identity) for identity in answer.ids] for answer in answers],
        exact,
        found_distances=[[each.distance for each in answer.neighbours] for answer in answers],
        exact_distances=distances,
    )
    assert recall.mean() >= 0.9
    assert np.mean([answer.rows_scored for answer in answers]) < ROWS / 10


def test_distances_are_negative_products(indexed: tuple[Any, VectorIndex]) -> None:
    _, searcher = indexed
    _, distances = exact_neighbours(VECTORS, ASKED[:20], K, "dot")
    for number, answer in enumerate(searcher.search_many(ASKED[:20], k=K, exact=True, fields=())):
        found = [each.distance for each in answer.neighbours]
        assert found == pytest.approx(distances[number], rel=1e-5)
        assert found == sorted(found)
    away = -VECTORS.astype(np.float64) @ -ASKED[99]
    answer = searcher.search(-ASKED[99], k=ROWS, fields=())  # All rows: those that point away from the query as well.
    assert [int(each) for each in answer.ids[:K]] == np.argsort(away, kind="stable")[:K].tolist()
    assert [each.distance for each in answer.neighbours] == pytest.approx(np.sort(away), rel=1e-4, abs=1e-4)
    assert answer.neighbours[-1].distance > 0


def test_by_id_a_row_finds_those_with_the_largest_products_with_it(indexed: tuple[Any, VectorIndex]) -> None:
    _, searcher = indexed
    rows = np.arange(0, ROWS, 150)
    exact, _ = exact_neighbours(VECTORS, VECTORS[rows], K + 1, "dot")
    shares = []
    for row, true in zip(rows.tolist(), exact.tolist(), strict=True):
        answer = searcher.search(id=str(row), k=K, fields=())
        assert str(row) not in answer.ids
        assert len(answer.ids) == K
        wanted = [str(each) for each in true if each != row][:K]
        shares.append(len(set(wanted) & set(answer.ids)) / K)
    assert np.mean(shares) >= 0.8


def test_a_query_without_a_direction_is_answered(indexed: tuple[Any, VectorIndex]) -> None:
    _, searcher = indexed
    answer = searcher.search(np.zeros(DIMS), k=K, fields=())
    assert len(answer.ids) == K
    assert {each.distance for each in answer.neighbours} == {0.0}


def test_rows_that_are_written_live_are_found(indexed: tuple[Any, VectorIndex]) -> None:
    """One far longer than all that the model saw has the largest product with many queries."""
    _, searcher = indexed
    searcher.upsert([{"id": "long", "embedding": (POINTS[0] * 40).tolist()}], refresh=True)
    try:
        assert searcher.search(POINTS[0], k=1, fields=()).ids == ["long"]
        assert searcher.search(id="long", k=1, fields=()).ids != ["long"]
    finally:
        searcher.delete(["long"], refresh=True)
