"""A container is gone when Docker says so, and not before."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from lsh_core.errors import StackError
from lsh_core.local.container import container_runs, remove_container
from lsh_core.local.process import Identity
from lsh_core.local.stack import start_stack, stop_stack
from lsh_core.local.state import StackState, read_state, write_state

MakeDocker = Callable[[str], Path]
IDENTIFIER = "0123456789abcdef"
STATE = StackState(marker="m", ready=True, elasticsearch=("http://127.0.0.1:1",), container=IDENTIFIER)


def test_a_container_is_removed_with_its_volumes(make_docker: MakeDocker, tmp_path: Path) -> None:
    calls = make_docker("exit 0")
    write_state(tmp_path, STATE)
    assert stop_stack(tmp_path) == ["elasticsearch"]
    assert calls.read_text() == f"rm --force --volumes {IDENTIFIER}\n"
    assert read_state(tmp_path) is None


@pytest.mark.parametrize("code", [0, 1])
def test_a_container_that_is_gone_was_not_stopped(make_docker: MakeDocker, tmp_path: Path, code: int) -> None:
    make_docker(f"echo 'Error response from daemon: No such container: 0123' >&2; exit {code}")
    write_state(tmp_path, STATE)
    assert stop_stack(tmp_path) == []
    assert read_state(tmp_path) is None


def test_a_container_that_stays_is_an_error_and_is_not_forgotten(make_docker: MakeDocker, tmp_path: Path) -> None:
    make_docker("echo 'Cannot connect to the Docker daemon' >&2; exit 1")
    write_state(tmp_path, STATE)
    with pytest.raises(StackError, match=r"(?s)0123456789ab cannot be removed: Cannot connect.*airlsh down"):
        stop_stack(tmp_path)
    assert read_state(tmp_path) == STATE


def test_without_docker_there_is_no_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not container_runs(IDENTIFIER)
    assert not remove_container(IDENTIFIER)


@pytest.mark.parametrize(("answer", "runs"), [("echo true", True), ("echo false", False), ("exit 1", False)])
def test_whether_a_container_runs(make_docker: MakeDocker, answer: str, runs: bool) -> None:
    calls = make_docker(answer)
    assert container_runs(IDENTIFIER) is runs
    assert calls.read_text() == f"inspect --format {{{{.State.Running}}}} {IDENTIFIER}\n"


def test_a_start_beside_a_container_that_runs_is_refused(make_docker: MakeDocker, tmp_path: Path) -> None:
    calls = make_docker("echo true")
    ended = Identity(os.getpid(), psutil.Process().create_time() - 1000)
    state = replace(STATE, leaders={"dask/scheduler": ended})
    write_state(tmp_path, state)
    with pytest.raises(StackError, match=r"has lost dask/scheduler, .*http://127\.0\.0\.1:1"):
        start_stack(folder=tmp_path)
    assert read_state(tmp_path) == state
    assert [call.partition(" ")[0] for call in calls.read_text().splitlines()] == ["inspect"]
