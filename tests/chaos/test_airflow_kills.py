"""SIGKILL of an Airflow task process in any stage; its retry, or the clearing of the task, ends the run.

Of the long form alone: starting Airflow takes half a minute, and one case of it, with its moment
fixed, is in ``tests/integration/test_airflow_ends.py``.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest

from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.connection import Connection
from lsh_core.elastic.leases import ALIAS, BUILD
from lsh_core.local.airflow_standalone import AirflowStandalone
from lsh_core.local.cluster import ElasticsearchCluster
from lsh_core.local.dask_cluster import DaskCluster
from tests.chaos.airflow_tasks import AirflowTasks, kill
from tests.chaos.arena import BAD, CHUNK_ROWS, Arena
from tests.chaos.contents import Stamp, assert_not_sent_again, builds_of, read_ledger
from tests.fakes.lease_holders import holder_of

CHECKOUT = Path(__file__).resolve().parents[2]
DAG = "index_vectors"
# Ten rounds in a row kill each stage once, and the load, which is the longest, three times.
STAGES = ("load", "check", "load", "plan", "load", "create", "finalize", "verify", "promote", "summarise")
MAX_DELAY_SECONDS = 2.0  # A stage but the load takes some two seconds, most of them for its imports.


@pytest.fixture(scope="module")
def airflow(
    chaos_nodes: ElasticsearchCluster,
    chaos_dask: DaskCluster,
    servers_folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[AirflowTasks]:
    settings = pytest.MonkeyPatch()
    settings.setenv("AIRLSH_SOURCE_ROOTS", str(tmp_path_factory.getbasetemp()))
    with AirflowStandalone(
        project=CHECKOUT,
        folder=servers_folder / "chaos-airflow",
        elasticsearch=Connection(chaos_nodes.urls),
        dask=chaos_dask.address,
    ) as standalone:
        yield AirflowTasks(standalone.url)
    settings.undo()


def _wait_for_a_random_moment(airflow: AirflowTasks, arena: Arena, run: str, stage: str) -> int:
    """Wait until `stage` runs, and on into it; return its process."""
    process = airflow.wait_for_process(DAG, run, stage)
    if stage == "load":
        arena.wait_for_a_random_moment(partial(psutil.pid_exists, process))
    else:
        time.sleep(arena.random.uniform(0, MAX_DELAY_SECONDS))  # The moment is what is random here.
    return process


def test_killed_task_is_tried_again_or_cleared(airflow: AirflowTasks, arena: Arena, seed: int) -> None:
    stage, clears = STAGES[seed % len(STAGES)], arena.random.random() < 0.5
    options = {"chunk_rows": CHUNK_ROWS, "max_dead_letters": BAD}
    run = airflow.trigger(DAG, {"name": arena.name, "source": str(arena.source), **options})
    killed = kill(_wait_for_a_random_moment(airflow, arena, run, stage))
    builds = builds_of(arena.client, arena.name)
    entries: dict[str, Stamp] = read_ledger(arena.client, builds[0]) if stage not in ("check", "plan") else {}
    documents = arena.documents(builds[0]) if builds else {}
    if killed and clears:
        airflow.wait_for_state(DAG, run, stage, "up_for_retry", "success")
        airflow.clear(DAG, run, stage)

    airflow.wait(DAG, run, lambda _: None)

    tries = next(task.tries for task in airflow.tasks(DAG, run) if task.task == stage)
    assert tries == (2 if killed else 1), f"seed {seed}: {stage}"
    report = airflow.result(DAG, run, "summarise")
    assert report["promoted"], f"seed {seed}: {stage}"
    arena.assert_exact(report)
    assert builds_of(arena.client, arena.name) == [report["build"]], f"seed {seed}: {stage}"
    assert_not_sent_again(arena.client, report["index"], report["build"], entries, documents, seed=seed)
    assert holder_of(Cluster(arena.connection), arena.name, BUILD) is None
    assert holder_of(Cluster(arena.connection), arena.name, ALIAS) is None
    print(f"seed {seed}: {stage} {'killed' if killed else 'was over'}, {'cleared' if clears else 'tried again'}")
