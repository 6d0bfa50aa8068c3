"""The embedded stack on real servers: it starts, survives what tests do to it, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from lsh_core.local.airflow_standalone import AirflowStandalone
from lsh_core.local.cluster import ElasticsearchCluster
from lsh_core.local.dask_cluster import WORKER_BYTES, DaskCluster
from lsh_core.local.http_probe import get_json
from lsh_core.local.process import find
from lsh_core.local.stack import stack_status, stop_stack
from lsh_core.local.state import StackState, read_state, running_stack

CHECKOUT = Path(__file__).resolve().parents[2]
START = """
import sys
from pathlib import Path
from lsh_core.local.stack import start_stack
start_stack(folder=Path(sys.argv[1]), airflow=False, workers=1)
"""


def wait_until(condition: Callable[[], object], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)


def health(url: str, **wanted: object) -> Any:
    query = "&".join(f"{name}={value}" for name, value in wanted.items())
    return get_json(f"{url}/_cluster/health?timeout=60s&{query}", timeout_seconds=70)


def post(url: str, body: bytes) -> None:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method="PUT")
    with urllib.request.urlopen(request, timeout=60):
        pass


def start_elsewhere(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", START, str(folder)], stderr=subprocess.PIPE)


def listening_addresses(processes: list[psutil.Process]) -> set[str]:
    return {
        connection.laddr.ip
        for process in processes
        for connection in process.net_connections()
        if connection.status == psutil.CONN_LISTEN
    }


def test_a_single_node_answers_and_is_not_root(one_node: ElasticsearchCluster) -> None:
    nodes = get_json(f"{one_node.urls[0]}/_nodes/_local")["nodes"].values()
    assert [node["version"] for node in nodes] == ["9.5.4"]
    assert health(one_node.urls[0])["status"] in ("green", "yellow")
    if isinstance(one_node, ElasticsearchCluster):
        processes = find(one_node.marker)
        assert processes
        assert 0 not in {process.uids().real for process in processes}
        assert listening_addresses(processes) <= {"127.0.0.1", "::ffff:127.0.0.1"}


def test_a_killed_node_comes_back_with_its_data(three_nodes: ElasticsearchCluster) -> None:
    url = three_nodes.urls[0]
    assert health(url)["number_of_nodes"] == 3
    post(f"{url}/stack-test", b'{"settings": {"number_of_shards": 3, "number_of_replicas": 1}}')
    post(f"{url}/stack-test/_doc/1?refresh=true", b'{"a": 1}')
    three_nodes.kill_node(1)
    assert health(url, wait_for_nodes=2)["number_of_nodes"] == 2
    assert get_json(three_nodes.urls[1]) is None
    three_nodes.restart_node(1)
    assert health(url, wait_for_nodes=3, wait_for_status="green")["status"] == "green"
    assert get_json(f"{three_nodes.urls[1]}/stack-test/_doc/1")["found"]


def test_a_suspended_node_hangs_and_goes_on(three_nodes: ElasticsearchCluster) -> None:
    three_nodes.suspend_node(2)
    try:
        assert get_json(f"{three_nodes.urls[2]}/_cluster/health?local=true", timeout_seconds=1) is None
    finally:
        three_nodes.resume_node(2)
    assert health(three_nodes.urls[2], local="true")["number_of_nodes"] >= 1
    assert health(three_nodes.urls[0], wait_for_nodes=3)["number_of_nodes"] == 3


def test_dask_workers_have_one_thread_and_a_memory_limit(dask_cluster: DaskCluster) -> None:
    from distributed import Client

    with Client(dask_cluster.address, set_as_default=False) as client:
        workers = client.scheduler_info(n_workers=-1)["workers"].values()
        assert [worker["nthreads"] for worker in workers] == [1, 1]
        assert all(0 < worker["memory_limit"] <= WORKER_BYTES for worker in workers)
        threads = client.run(os.getenv, "OPENBLAS_NUM_THREADS")
    assert set(threads.values()) == {"1"}
    assert listening_addresses(find(dask_cluster.marker)) == {"127.0.0.1"}


def test_killed_worker_and_scheduler_come_back_at_the_same_address(servers_folder: Path) -> None:
    from distributed import Client

    with DaskCluster(workers=2, folder=servers_folder / "mortal-dask") as cluster:
        address = cluster.address
        with Client(address, set_as_default=False) as client:
            before = set(client.run(os.getpid).values())
            victim = cluster.kill_worker()
            assert victim in before
            while len(after := set(client.run(os.getpid, on_error="ignore").values()) - {victim}) < 2:
                time.sleep(0.1)  # The test's own time limit ends this if the nanny does not.
            assert after - before
        cluster.kill_scheduler()
        cluster.restart()
        with Client(cluster.address, set_as_default=False) as client:
            assert client.submit(sum, [1, 2]).result(timeout=30) == 3
            assert not set(client.run(os.getpid).values()) & after
        assert cluster.address == address


def test_two_stacks_at_once_and_down_leaves_nothing_of_either(open_folder: Path) -> None:
    folders = [open_folder / "first", open_folder / "second"]
    starts = [start_elsewhere(folder) for folder in folders]
    try:
        for start in starts:
            _, error = start.communicate(timeout=400)
            assert start.returncode == 0, error.decode()
        states = [running_stack(folder) for folder in folders]
        assert all(states)
        addresses = [{*state.elasticsearch, state.dask, state.dask_dashboard} for state in states if state]
        assert not addresses[0] & addresses[1]
        assert stack_status(folders[0]).elasticsearch == (states[0].elasticsearch if states[0] else ())
        assert stop_stack(folders[0]) == ["dask/scheduler", "dask/workers", "elasticsearch/node-1"]
        assert running_stack(folders[0]) is None
        assert states[1] is not None
        assert health(states[1].elasticsearch[0])["number_of_nodes"] == 1
    finally:
        markers = [state.marker for state in map(read_state, folders) if state]
        for start in starts:
            start.kill()
            start.wait()
        for folder in folders:
            stop_stack(folder, delete_data=True)
    assert [process for marker in markers for process in find(marker)] == []


def is_java(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):  # It may end between two looks.
        return process.name() == "java"
    return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "killed"])
def test_a_start_that_is_cut_off_leaves_nothing(open_folder: Path, number: signal.Signals) -> None:
    folder = open_folder / "stack"
    start = start_elsewhere(folder)

    def server_runs() -> bool:
        state = read_state(folder)
        found = find(f"{state.marker}/elasticsearch") if state else []
        return len([process for process in found if is_java(process)]) == 2

    wait_until(server_runs)
    state = read_state(folder)
    assert isinstance(state, StackState)
    start.send_signal(number)
    start.communicate(timeout=60)
    assert start.returncode != 0
    if number == signal.SIGKILL:  # nobody was left to clean up: `down` does
        assert not state.ready
        assert "elasticsearch/node-1" in stop_stack(folder)
    assert find(state.marker, list(state.leaders.values())) == []
    assert read_state(folder) is None


def test_airflow_becomes_healthy_and_leaves_nothing(open_folder: Path) -> None:
    with AirflowStandalone(project=CHECKOUT, folder=open_folder) as airflow:
        processes = find(airflow.marker)
        assert len(processes) > 4
        for log_server in ("WORKER", "TRIGGER"):  # these listen on every interface, and answer signed requests only
            port = airflow.settings(open_folder)[f"AIRFLOW__LOGGING__{log_server}_LOG_SERVER_PORT"]
            with pytest.raises(urllib.error.HTTPError, match="403"):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/log/dag_id=a/x.log", timeout=30)
        wait_until(lambda: get_json(f"{airflow.url}/api/v2/dags")["total_entries"] >= 4)
        assert get_json(f"{airflow.url}/api/v2/importErrors")["total_entries"] == 0
    assert find(airflow.marker) == []
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)
