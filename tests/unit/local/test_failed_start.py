"""A node that cannot start is one message with the cause, the end of its log and what to do; nothing is left."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lsh_core.errors import StackError
from lsh_core.local import cluster as cluster_module
from lsh_core.local import machine
from lsh_core.local.cluster import ElasticsearchCluster
from lsh_core.local.process import find
from lsh_core.local.stack import start_stack
from lsh_core.local.state import read_state

MakeElasticsearch = Callable[[str], Path]


@pytest.mark.parametrize(
    ("line", "cause", "remedy"),
    [
        ("java.net.BindException: Address already in use", "was taken by another program", "other ports are picked"),
        ("java.io.IOException: No space left on device", "the disk is full", "Free some space"),
        ("os::commit_memory failed; error='Cannot allocate memory'", "not enough memory", "fewer nodes"),
        ("IllegalStateException: failed to obtain node locks", "another node uses its data", "airlsh down"),
        ("something never seen before", "it ended while starting", "The whole log"),
    ],
)
def test_a_node_that_dies_while_starting(
    make_elasticsearch: MakeElasticsearch, open_folder: Path, line: str, cause: str, remedy: str
) -> None:
    make_elasticsearch(f'echo "first line"; echo "{line}"; sleep 1000 & exit 78')
    cluster = ElasticsearchCluster(folder=open_folder / "stack")
    with pytest.raises(StackError) as caught:
        cluster.start()
    message = str(caught.value)
    assert caught.value.part == "elasticsearch node-1"
    assert cause in caught.value.cause
    assert "exit code 78" in message
    assert f"  | first line\n  | {line}" in message
    assert remedy in message
    assert str(open_folder / "stack" / "logs" / "elasticsearch-node-1.log") in message
    assert find(cluster.marker) == []


def test_a_node_that_is_killed_while_starting_says_by_which_signal(
    make_elasticsearch: MakeElasticsearch, open_folder: Path
) -> None:
    make_elasticsearch("kill -KILL $$")
    with pytest.raises(StackError, match="SIGKILL"):
        ElasticsearchCluster(folder=open_folder / "stack").start()


def test_a_node_that_never_answers_is_given_up(make_elasticsearch: MakeElasticsearch, open_folder: Path) -> None:
    make_elasticsearch('echo "thinking"; exec sleep 1000')
    cluster = ElasticsearchCluster(folder=open_folder / "stack")
    cluster.start_seconds = 0.5
    with pytest.raises(StackError, match=r"(?s)not ready after 0 s: still waiting for an answer from.*thinking"):
        cluster.start()
    assert find(cluster.marker) == []


def test_one_dead_node_of_three_ends_the_others(make_elasticsearch: MakeElasticsearch, open_folder: Path) -> None:
    make_elasticsearch('case "$ES_PATH_CONF" in *node-2*) echo "no luck"; exit 1;; esac; exec sleep 1000')
    cluster = ElasticsearchCluster(nodes=3, folder=open_folder / "stack")
    with pytest.raises(StackError, match=r"(?s)elasticsearch node-2.*exit code 1.*no luck"):
        cluster.start()
    assert find(cluster.marker) == []


def test_a_port_in_use_is_found_before_anything_starts(
    make_elasticsearch: MakeElasticsearch, open_folder: Path
) -> None:
    make_elasticsearch("exec sleep 1000")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(StackError, match=rf"port {port} on 127\.0\.0\.1 is in use"):
            ElasticsearchCluster(folder=open_folder / "stack", port=port).start()
    assert not (open_folder / "stack" / "logs").exists()


def test_no_space_is_found_before_anything_starts(
    make_elasticsearch: MakeElasticsearch, open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_elasticsearch("exec sleep 1000")
    monkeypatch.setattr(cluster_module, "NODE_DISK_BYTES", 2**60)
    with pytest.raises(StackError, match=r"(?s)has [\d,]+ MiB free, [\d,]+ MiB are needed.*Free some space"):
        ElasticsearchCluster(folder=open_folder / "stack").start()
    assert not (open_folder / "stack" / "logs").exists()


def test_too_little_memory_is_found_before_anything_starts(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "available_memory_bytes", lambda: 2**28)
    with pytest.raises(StackError, match="256 MiB of memory are available; 3 x 256 MiB"):
        ElasticsearchCluster(nodes=3, folder=open_folder / "stack").start()


def test_a_folder_without_elasticsearch_in_es_home(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ES_HOME", str(open_folder))
    with pytest.raises(StackError, match=r"(?s)holds no Elasticsearch.*unset it"):
        ElasticsearchCluster(folder=open_folder / "stack").start()


def test_a_failed_start_of_the_stack_ends_dask_too_and_leaves_no_state(
    make_elasticsearch: MakeElasticsearch, open_folder: Path
) -> None:
    make_elasticsearch("sleep 0.5; echo 'no luck'; exit 1")
    folder = open_folder / "stack"
    with pytest.raises(StackError, match="no luck"):
        start_stack(folder=folder, airflow=False)
    assert (folder / "logs" / "dask-scheduler.log").exists()
    assert read_state(folder) is None


STARTING = """
import sys
from pathlib import Path
from lsh_core.local.stack import start_stack
start_stack(folder=Path(sys.argv[1]), airflow=False)
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 1), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_start_that_is_interrupted_leaves_no_process(
    make_elasticsearch: MakeElasticsearch, open_folder: Path, number: signal.Signals, code: int
) -> None:
    make_elasticsearch("sleep 1000 & exec sleep 1000")
    folder = open_folder / "stack"
    starting = subprocess.Popen([sys.executable, "-c", STARTING, str(folder)], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while (state := read_state(folder)) is None or len(state.leaders) < 3:
        assert starting.poll() is None, starting.stderr and starting.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert len(find(state.marker)) >= 4
    os.kill(starting.pid, number)
    _, error = starting.communicate(timeout=60)
    assert find(state.marker, list(state.leaders.values())) == []
    assert read_state(folder) is None
    if number == signal.SIGINT:
        assert b"KeyboardInterrupt" in error
    else:
        assert starting.returncode == code
