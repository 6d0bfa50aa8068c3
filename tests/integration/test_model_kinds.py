"""A build of each further kind of model, through everything that a user does with one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lsh_core.elastic.connection import Connection
from lsh_core.errors import NotFoundError
from lsh_core.evaluation.build_health import measure_health
from lsh_core.jobs.builds import show_build
from lsh_core.jobs.index import run_index
from lsh_core.jobs.index_report import IndexReport
from lsh_core.jobs.models import show_model
from lsh_core.jobs.services import Services
from lsh_core.jobs.train import train
from lsh_core.retrieval import contract, tables
from lsh_core.search.vector_index import VectorIndex
from lsh_core.settings import IndexSettings, TrainSettings
from tests.fakes.parquet_sources import clustered, exact_ids, write_source

ROWS, DIMS, K = 3_000, 32, 10
VECTORS = clustered(ROWS, DIMS)
IDS = [f"r{row}" for row in range(ROWS)]
HALF = np.arange(ROWS) % 2 == 0
WAYS = {"subspace": "tables", "hnsw": "graph"}
UNITS = {"subspace": "candidates", "hnsw": "num_candidates"}


@pytest.fixture(scope="module")
def services(one_node: Any, dask_cluster: Any) -> Services:
    return Services(Connection(tuple(one_node.urls)), dask_cluster.address)


@pytest.fixture(scope="module", params=list(WAYS))
def kind(request: Any) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def report(kind: str, services: Services, tmp_path_factory: pytest.TempPathFactory) -> IndexReport:
    folder: Path = tmp_path_factory.mktemp(kind)
    source = write_source(folder / "rows.parquet", IDS, VECTORS, half=HALF.tolist())
    train(TrainSettings(name=f"kind-{kind}", source=source, metric="l2", model=kind), services)
    return run_index(IndexSettings(name=f"kind-{kind}", source=source, shards=2, recall_queries=50), services)


@pytest.fixture
def searcher(kind: str, report: IndexReport, services: Services) -> VectorIndex:
    return VectorIndex(f"kind-{kind}", services.connection)


def share_found(found: list[str], query: np.ndarray, rows: np.ndarray) -> float:
    kept = np.flatnonzero(rows)
    return len(set(found) & exact_ids([IDS[row] for row in kept], VECTORS[kept], query, K)) / K


def test_the_build_is_verified_and_live(kind: str, report: IndexReport, services: Services) -> None:
    assert (report.promoted, report.documents) == (True, ROWS)
    assert report.recall >= 0.95
    assert report.warnings == []
    if kind == "hnsw":  # Rows of the graph are found more easily than other queries: no reason to do less for these.
        assert report.effort >= 150
        build = VectorIndex(f"kind-{kind}", services.connection).build
        assert measure_health(services.cluster, build, effort=150) is None  # There are no tokens.
    shown = show_build(f"kind-{kind}", None, services)
    assert shown.summary.model_id == report.model_id
    assert show_model(report.model_id, services).model == kind


def test_vectors_and_filters(kind: str, searcher: VectorIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    queries = clustered(40, DIMS, seed=5)
    everything = np.ones(ROWS, bool)
    answers = list(searcher.search_many(queries, k=K, fields=()))
    assert {answer.strategy for answer in answers} == {WAYS[kind]}
    assert np.mean([share_found(answer.ids, q, everything) for answer, q in zip(answers, queries, strict=True)]) >= 0.9
    only = {"term": {"half": True}}
    scanned = searcher.search(queries[0], k=K, filter=only)
    assert (scanned.strategy, scanned.rows_scored) == ("exact", ROWS // 2)
    assert share_found(scanned.ids, queries[0], HALF) == 1.0
    monkeypatch.setattr(contract, "EXACT_ROWS", 100)
    monkeypatch.setattr(tables, "_SCANNED", 1)  # So few rows are else scanned wherever the curve asks for some more.
    passing = list(searcher.search_many(queries, k=K, filter=only, fields=()))
    assert {answer.strategy for answer in passing} == {WAYS[kind]}
    assert np.mean([share_found(answer.ids, q, HALF) for answer, q in zip(passing, queries, strict=True)]) >= 0.9
    assert all(int(identity[1:]) % 2 == 0 for answer in passing for identity in answer.ids)


def test_an_effort_of_the_callers(kind: str, searcher: VectorIndex) -> None:
    answer = searcher.search(VECTORS[3], k=K, **{UNITS[kind]: 400})
    assert answer.ids[0] == "r3"
    assert answer.strategy == WAYS[kind]


def test_by_id(kind: str, searcher: VectorIndex) -> None:
    found = []
    for row in range(0, ROWS, 100):
        answer = searcher.search(id=f"r{row}", k=K)
        assert answer.strategy == WAYS[kind]
        assert f"r{row}" not in answer.ids
        found.append(share_found(answer.ids, VECTORS[row], np.arange(ROWS) != row))
    assert np.mean(found) >= 0.9
    with pytest.raises(NotFoundError, match="nobody"):
        searcher.search(id="nobody")


def test_rows_written_live(searcher: VectorIndex) -> None:
    new = clustered(1, DIMS, seed=8)[0] + 50
    searcher.upsert([{"id": "new", "embedding": new.tolist(), "half": True}], refresh=True)
    assert searcher.search(new, k=1).ids == ["new"]
    assert len(searcher.search(id="new", k=3).ids) == 3
    searcher.delete(["new"], refresh=True)
    assert "new" not in searcher.search(new, k=3).ids
