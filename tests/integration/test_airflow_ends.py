"""A load under a real Airflow: its task process dies and another goes on; a task marked failed stops it."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lsh_core.builds.records import BuildRecords
from lsh_core.builds.write_fence import read_write_fence
from lsh_core.elastic.connection import Connection
from lsh_core.elastic.leases import BUILD
from lsh_core.elastic.system_indices import LEDGER
from lsh_core.errors import DagRunError
from lsh_core.jobs.dask import load_job
from lsh_core.jobs.services import Services, dask_client
from lsh_core.jobs.train import train
from lsh_core.local.airflow_rest import AirflowRest
from lsh_core.local.airflow_standalone import AirflowStandalone
from lsh_core.settings import TrainSettings
from tests.fakes.lease_holders import holder_of
from tests.fakes.parquet_sources import clustered, write_source

CHECKOUT = Path(__file__).resolve().parents[2]
ROWS, DIMS, CHUNK = 12_000, 24, 200
DAG = "index_vectors"


@pytest.fixture(scope="module")
def services(one_node: Any, dask_cluster: Any) -> Services:
    return Services(Connection(tuple(one_node.urls)), dask_cluster.address)


@pytest.fixture(scope="module")
def source(services: Services, tmp_path_factory: pytest.TempPathFactory) -> str:
    source = write_source(
        tmp_path_factory.mktemp("airflow-ends") / "rows.parquet", list(range(ROWS)), clustered(ROWS, DIMS)
    )
    for name in ("orphaned", "marked", "cleared"):
        train(TrainSettings(name=name, source=source, metric="l2"), services)
    return source


@pytest.fixture(scope="module")
def airflow(services: Services, source: str, servers_folder: Path) -> Iterator[AirflowRest]:
    settings = pytest.MonkeyPatch()
    settings.setenv("AIRLSH_SOURCE_ROOTS", str(Path(source).parent))
    settings.setenv("AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION", "False")
    folder = servers_folder / "airflow-ends"
    with AirflowStandalone(
        project=CHECKOUT, folder=folder, elasticsearch=services.connection, dask=services.dask
    ) as standalone:
        yield AirflowRest(standalone.url)
    settings.undo()


def _start(airflow: AirflowRest, services: Services, name: str, source: str) -> tuple[str, str, int]:
    """Trigger a run and wait until a few chunks are loaded; return the run, its build and its load's process."""
    conf = {"name": name, "source": source, "chunk_rows": CHUNK, "request_bytes": 1024, "posting_threads": 1}
    run = airflow.trigger(DAG, conf)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        holder = holder_of(services.cluster, name, BUILD)
        if holder is not None and holder.build is not None and _chunks(services, holder.build) >= 5:
            process = re.search(r"process (\d+)", holder.holder)
            assert process is not None
            return run, holder.build, int(process[1])
        time.sleep(0.1)
    raise TimeoutError(f"run {run} has loaded nothing: {airflow.tasks(DAG, run)}")


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 240
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def _chunks(services: Services, build: str) -> int:
    client = services.connection.client()
    if not client.indices.exists(index=LEDGER):
        return 0
    client.indices.refresh(index=LEDGER)
    return services.cluster.count(LEDGER, {"term": {"build": build}})


def test_a_load_survives_the_death_of_its_task_process(airflow: AirflowRest, services: Services, source: str) -> None:
    run, build, process = _start(airflow, services, "orphaned", source)
    os.kill(process, signal.SIGKILL)
    at_the_kill = _chunks(services, build)
    assert at_the_kill < ROWS // CHUNK

    airflow.wait(DAG, run, lambda _: None)

    load = next(task for task in airflow.tasks(DAG, run) if task.task == "load")
    assert load.tries == 2
    found = airflow.result(DAG, run, "load")
    assert found["adopted"] or found["skipped"] == ROWS, "the job went on while nobody waited for it"
    report = airflow.result(DAG, run, "summarise")
    assert report["promoted"]
    assert report["documents"] == ROWS
    assert holder_of(services.cluster, "orphaned", BUILD) is None


def test_a_load_that_is_marked_failed_is_cancelled(airflow: AirflowRest, services: Services, source: str) -> None:
    run, build, _ = _start(airflow, services, "marked", source)
    client = services.connection.client()
    index = BuildRecords(services.cluster).get("marked", build).index
    airflow.mark_failed(DAG, run)
    _wait_until(lambda: not read_write_fence(services.cluster, index, build).is_open)
    with dask_client(services) as dask:
        _wait_until(lambda: load_job.find(dask, build) is None)
    assert _chunks(services, build) < ROWS // CHUNK
    _wait_until(lambda: BuildRecords(services.cluster).get("marked", build).state == "failed")
    assert not client.indices.exists_alias(name="marked")


def _clear(airflow: AirflowRest, run: str, **what: Any) -> None:
    """Clear tasks of a run as the UI does."""
    body = {"dry_run": False, "dag_run_id": run, "reset_dag_runs": True, "include_upstream": False, **what}
    airflow._send(f"/dags/{DAG}/clearTaskInstances", body)


def _states(airflow: AirflowRest, run: str) -> dict[str, str | None]:
    return {task.task: task.state for task in airflow.tasks(DAG, run)}


def test_a_run_whose_failed_tasks_alone_are_cleared_is_no_success_before_it_has_done_everything(
    airflow: AirflowRest, services: Services, source: str
) -> None:
    conf = {"name": "cleared", "source": source, "recall_queries": 2000}
    client = services.connection.client()
    run = airflow.trigger(DAG, conf)
    _wait_until(lambda: _states(airflow, run).get("verify") == "running")
    airflow.mark_failed(DAG, run)
    with pytest.raises(DagRunError):
        airflow.wait(DAG, run, lambda _: None)
    assert _states(airflow, run)["promote"] == "skipped"
    assert holder_of(services.cluster, "cleared", BUILD) is None, "a run that was marked failed holds its name"

    _clear(airflow, run, only_failed=True, include_downstream=False)
    with pytest.raises(DagRunError, match="clear promote with the option Downstream"):
        airflow.wait(DAG, run, lambda _: None)
    assert _states(airflow, run)["verify"] == "success"
    assert not client.indices.exists_alias(name="cleared")

    _clear(airflow, run, only_failed=False, task_ids=["promote"], include_downstream=True)
    airflow.wait(DAG, run, lambda _: None)
    assert airflow.result(DAG, run, "summarise")["promoted"]
    assert client.indices.exists_alias(name="cleared")
