"""Filters keep the promise: as many rows as are wanted and pass, and the nearest of them; and the answer says how."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lsh_core.elastic.connection import Connection
from lsh_core.errors import NotFoundError
from lsh_core.exact.nearest_rows import exact_neighbours
from lsh_core.jobs.index import run_index
from lsh_core.jobs.services import Services
from lsh_core.jobs.train import train
from lsh_core.retrieval import contract
from lsh_core.search.results import SearchResult
from lsh_core.search.vector_index import VectorIndex
from lsh_core.settings import IndexSettings, TrainSettings
from tests.fakes.parquet_sources import clustered, write_source

ROWS, DIMS, K = 6_000, 24, 10
VECTORS = clustered(ROWS, DIMS)
ASKED = list(range(0, ROWS, 60))
COLUMNS = {
    "half": np.arange(ROWS) % 2 == 0,
    "tenth": np.arange(ROWS) % 10 == 3,
    "twenty": np.arange(ROWS) % 300 == 7,
    # The half of space on one side of a plane: many queries are far from all of it.
    "side": VECTORS[:, 0] > np.median(VECTORS[:, 0]),
    "none": np.zeros(ROWS, bool),
}


@pytest.fixture(scope="module")
def services(one_node: Any, dask_cluster: Any) -> Services:
    return Services(Connection(tuple(one_node.urls)), dask_cluster.address)


@pytest.fixture(scope="module", params=["ivf", "hyperplane"])
def searcher(services: Services, tmp_path_factory: pytest.TempPathFactory, request: Any) -> VectorIndex:
    name = f"filtered-{request.param}"
    folder: Path = tmp_path_factory.mktemp(name)
    columns = {column: passes.tolist() for column, passes in COLUMNS.items()}
    source = write_source(folder / "rows.parquet", [f"r{row}" for row in range(ROWS)], VECTORS, **columns)
    train(TrainSettings(name=name, source=source, metric="l2", model=request.param), services)
    run_index(IndexSettings(name=name, source=source, shards=2), services)
    return VectorIndex(name, services.connection)


@pytest.fixture(autouse=True)
def scans_of_500_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contract, "EXACT_ROWS", 500)


def passing(column: str) -> dict[str, Any]:
    return {"term": {column: True}}


def recall(answers: list[SearchResult], column: str) -> float:
    """Of the true neighbours that pass, the share that was found; queries are rows `ASKED`."""
    rows = np.flatnonzero(COLUMNS[column])
    exact, _ = exact_neighbours(VECTORS[rows], VECTORS[ASKED], K, "l2")
    found = [{int(identity[1:]) for identity in answer.ids} for answer in answers]
    assert all(each <= set(rows.tolist()) for each in found)
    return float(np.mean([len(each & set(rows[true].tolist())) / K for each, true in zip(found, exact, strict=True)]))


@pytest.mark.parametrize("column", ["half", "side", "tenth"])
def test_filters_that_many_rows_pass(searcher: VectorIndex, column: str) -> None:
    answers = list(searcher.search_many(VECTORS[ASKED], k=K, filter=passing(column), fields=()))
    assert all(len(answer.ids) == K for answer in answers)
    assert recall(answers, column) >= 0.95
    assert all(answer.rows_scored < COLUMNS[column].sum() for answer in answers if answer.strategy != "exact")
    if column == "half":
        assert {answer.strategy for answer in answers} == {searcher.build.field.retrieval}


def test_few_rows_that_pass_are_all_scanned(searcher: VectorIndex) -> None:
    answers = list(searcher.search_many(VECTORS[ASKED], k=K, filter=passing("twenty"), fields=()))
    assert {(answer.strategy, answer.rows_scored) for answer in answers} == {("exact", 20)}
    assert recall(answers, "twenty") == 1.0
    more_than_there_are = searcher.search(VECTORS[0], k=50, filter=passing("twenty"))
    assert len(more_than_there_are.ids) == 20


def test_what_no_row_passes_is_no_answer(searcher: VectorIndex) -> None:
    answer = searcher.search(VECTORS[0], filter=passing("none"))
    assert (answer.ids, answer.strategy, answer.rows_scored) == ([], "exact", 0)


def test_by_id_under_a_filter(searcher: VectorIndex) -> None:
    for column in ("twenty", "half"):
        rows = np.flatnonzero(COLUMNS[column])
        for row in (int(rows[3]), int(rows[3]) + 1):  # One that passes, and one that does not.
            answer = searcher.search(id=f"r{row}", k=K, filter=passing(column), fields=())
            others = rows[rows != row]
            exact, _ = exact_neighbours(VECTORS[others], VECTORS[[row]], K, "l2")
            true = {f"r{each}" for each in others[exact[0]]}
            assert len(answer.ids) == K
            assert f"r{row}" not in answer.ids
            assert len(true & set(answer.ids)) >= (K if column == "twenty" else K - 2)
    for column in ("twenty", "half"):
        with pytest.raises(NotFoundError, match="nobody"):
            searcher.search(id="nobody", filter=passing(column))


def test_more_neighbours_than_the_tokens_lead_to(searcher: VectorIndex) -> None:
    """Without a filter too, and by id: the answer has as many rows as are wanted."""
    answer = searcher.search(VECTORS[5], k=ROWS - 1, fields=())
    assert (len(answer.ids), answer.strategy) == (ROWS - 1, "exact")
    by_id = searcher.search(id="r5", k=ROWS + 7, fields=())
    assert (len(by_id.ids), by_id.strategy) == (ROWS - 1, "exact")


def test_an_effort_that_is_given_is_what_is_done(searcher: VectorIndex) -> None:
    effort = {searcher.build.field.strategy.effort_units[-1]: 1}
    answers = list(searcher.search_many(VECTORS[ASKED], k=K, filter=passing("twenty"), fields=(), **effort))
    assert {answer.strategy for answer in answers} == {searcher.build.field.retrieval}
    if searcher.build.field.retrieval == "lists":
        assert min(len(answer.ids) for answer in answers) < K
