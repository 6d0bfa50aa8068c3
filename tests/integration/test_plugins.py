"""A model and a metric of a package outside airlsh: trained, loaded and searched on real servers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lsh_core.elastic.connection import Connection
from lsh_core.errors import SettingsError
from lsh_core.exact.nearest_rows import exact_neighbours
from lsh_core.jobs.evaluate import evaluate
from lsh_core.jobs.index import run_index
from lsh_core.jobs.models import show_model
from lsh_core.jobs.services import Services
from lsh_core.jobs.train import train
from lsh_core.local.dask_cluster import DaskCluster
from lsh_core.metrics import metric_named
from lsh_core.search.vector_index import VectorIndex
from lsh_core.settings import EvaluateSettings, IndexSettings, TrainSettings
from tests.fakes.parquet_sources import clustered, exact_ids, write_source

ROWS, DIMS, K = 3_000, 32, 10
VECTORS = clustered(ROWS, DIMS)
IDS = [f"r{row}" for row in range(ROWS)]


@pytest.fixture
def services(example_plugins: None, one_node: Any, open_folder: Path) -> Any:
    """Servers whose Dask workers started where the example plugins are installed."""
    with DaskCluster(workers=1, folder=open_folder / "dask") as dask:
        yield Services(Connection(tuple(one_node.urls)), dask.address)


def test_a_model_of_a_package(services: Services, tmp_path: Path) -> None:
    source = write_source(tmp_path / "rows.parquet", IDS, VECTORS)
    command = [str(Path(sys.executable).with_name("airlsh")), "train", "plugged", "--source", source, "--json"]
    command += ["--metric", "l2", "--model", "random_lists", "--lists", "64", "--spill", "3"]
    command += ["--es", ",".join(services.connection.urls), "--dask", str(services.dask)]
    trained = subprocess.run(command, capture_output=True, text=True, check=False)
    assert trained.returncode == 0, trained.stdout + trained.stderr
    model = json.loads(trained.stdout)
    assert (model["model"], model["settings"]["model_options"]) == ("random_lists", {"lists": 64, "spill": 3})
    shown = show_model(model["model_id"], services)
    assert (shown.model, shown.params["learned"]) == ("random_lists", {"spill": 3})

    report = run_index(IndexSettings(name="plugged", source=source, shards=2, recall_queries=100), services)
    assert (report.promoted, report.documents) == (True, ROWS)
    assert report.recall is not None
    assert report.recall >= 0.95
    searcher = VectorIndex("plugged", services.connection)
    queries = clustered(30, DIMS, seed=5)
    answers = list(searcher.search_many(queries, k=K, fields=()))
    found = [len(set(each.ids) & exact_ids(IDS, VECTORS, q, K)) / K for each, q in zip(answers, queries, strict=True)]
    assert np.mean(found) >= 0.9
    few = list(searcher.search_many(queries, k=K, probes=3, fields=()))
    assert all(answer.rows_scored is not None and answer.rows_scored < ROWS / 2 for answer in few)
    neighbours = searcher.search(id="r7", k=K)
    assert "r7" not in neighbours.ids
    assert neighbours.ids

    measured = evaluate(EvaluateSettings(name="plugged", rows=50), services)
    assert (measured.model, measured.effort_name) == ("random_lists", "reach")
    assert measured.curve[0].effort == 0.7


def test_a_metric_of_a_package(services: Services, tmp_path: Path) -> None:
    source = write_source(
        tmp_path / "rows.parquet", IDS, VECTORS, half=[row % 2 for row in range(ROWS)], title=["a"] * ROWS
    )
    train(TrainSettings(name="manhattan", source=source, metric="l1", model="random_lists", lists=64), services)
    settings = IndexSettings(name="manhattan", source=source, text_field=("title",), shards=2, recall_queries=100)
    report = run_index(settings, services)
    assert (report.promoted, report.documents) == (True, ROWS)
    queries = clustered(20, DIMS, seed=5)
    nearest, distances = exact_neighbours(VECTORS, queries, K, "l1")
    with VectorIndex("manhattan", services.connection) as index:
        exact = list(index.search_many(queries, k=K, exact=True, fields=["half"]))
        assert [each.ids for each in exact] == [[IDS[row] for row in rows] for rows in nearest]
        found = [[neighbour.distance for neighbour in each.neighbours] for each in exact]
        assert np.array(found) == pytest.approx(distances, rel=1e-5)
        assert set(exact[0].neighbours[0].fields) == {"half"}
        by_lists = list(index.search_many(queries, k=K, probes=16))
        shared = [len(set(some.ids) & set(every.ids)) / K for some, every in zip(by_lists, exact, strict=True)]
        assert np.mean(shared) >= 0.9
        assert all((each.rows_scored or ROWS) < ROWS for each in by_lists)
        rows, _ = exact_neighbours(VECTORS[::2], VECTORS[:1], K + 1, "l1")
        similar = index.search(id="r0", k=K, filter={"term": {"half": 0}})
        assert similar.ids == [IDS[2 * row] for row in rows[0][1:]]
        with pytest.raises(SettingsError, match="match='a': cannot be ranked with vectors of metric l1"):
            index.search(queries[0], match="a")
    assert evaluate(EvaluateSettings(name="manhattan", rows=50), services).recall >= 0.95


@pytest.mark.parametrize("name", ["l2", "cosine", "dot"])
def test_the_server_scores_by_each_metric(name: str, one_node: Any) -> None:
    """The query of a metric scores all rows that pass a filter; its distances are those that are measured here."""
    metric, rows, column = metric_named(name), VECTORS[:300], "an 'odd' column"
    client, index = Connection(tuple(one_node.urls)).client(), f"scored-{name}"
    vector = {"type": "dense_vector", "dims": DIMS, "similarity": metric.similarity, "index_options": {"type": "flat"}}
    client.indices.create(index=index, mappings={"properties": {column: vector, "even": {"type": "boolean"}}})
    lines: list[Any] = []
    for number, row in enumerate(rows):
        lines += [{"index": {"_id": str(number)}}, {column: row.tolist(), "even": number % 2 == 0}]
    client.bulk(index=index, operations=[*lines, {"index": {"_id": "bare"}}, {"even": True}], refresh=True)
    query = clustered(1, DIMS, seed=5)
    asked = metric.scored_query(column, {"query_vector": query[0].tolist()}, k=K, filter={"term": {"even": True}})
    hits = client.search(index=index, query=asked, size=K)["hits"]["hits"]
    nearest, distances = exact_neighbours(rows[::2], query, K, name)
    assert [hit["_id"] for hit in hits] == [str(2 * row) for row in nearest[0]]
    found = metric.distance_from_score(np.array([hit["_score"] for hit in hits]))
    assert found == pytest.approx(distances[0], rel=1e-4, abs=1e-5)
    assert (found <= metric.score_ties(distances[0])).all()
