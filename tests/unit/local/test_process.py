"""Every process of a part is found and ended, and no other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from lsh_core.errors import StackError
from lsh_core.local.process import MARKER, Identity, ManagedProcess, find, stop_all, tail

ENVIRONMENT = {"PATH": os.environ["PATH"]}


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def names(part: ManagedProcess) -> list[str]:
    return sorted(process.name() for process in part.processes())


def still_runs(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


@pytest.fixture
def part(tmp_path: Path) -> Iterator[ManagedProcess]:
    process = ManagedProcess("test part", f"test-{os.getpid()}-{tmp_path.name}/part", tmp_path / "log")
    yield process
    process.stop(grace_seconds=0)


def test_children_are_ended_even_when_their_parent_is_gone(part: ManagedProcess) -> None:
    part.launch(["sh", "-c", "sleep 1000 & sleep 1000 & exit 0"], environment=ENVIRONMENT)
    wait_until(lambda: part.exit_code() == 0 and names(part) == ["sleep", "sleep"])
    orphans = part.processes()
    part.stop(grace_seconds=5)
    assert part.processes() == []
    assert not any(still_runs(process) for process in orphans)


def test_a_child_in_a_session_of_its_own_is_ended(part: ManagedProcess) -> None:
    child = "import subprocess; subprocess.Popen(['sleep', '1000'], start_new_session=True)"
    part.launch([sys.executable, "-c", child], environment=ENVIRONMENT)
    wait_until(lambda: part.exit_code() == 0 and names(part) == ["sleep"])
    part.stop(grace_seconds=5)
    assert part.processes() == []


def test_a_child_that_lost_its_environment_is_ended(part: ManagedProcess) -> None:
    part.launch(["sh", "-c", "env -i sleep 1000 & wait"], environment=ENVIRONMENT)
    wait_until(lambda: names(part) == ["sh", "sleep"])
    part.stop(grace_seconds=5)
    assert part.processes() == []


def test_who_does_not_listen_is_killed_and_who_is_suspended_is_ended(part: ManagedProcess) -> None:
    part.launch(["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done"], environment=ENVIRONMENT)
    wait_until(lambda: part.log_tail() == "ready")
    part.signal(signal.SIGSTOP)
    part.stop(grace_seconds=0.2)
    assert part.exit_code() == -signal.SIGKILL
    assert part.processes() == []


def test_other_parts_are_left_alone(part: ManagedProcess, tmp_path: Path) -> None:
    prefix = part.marker.rpartition("/")[0]
    part.launch(["sleep", "1000"], environment=ENVIRONMENT)
    other = ManagedProcess("other", f"{prefix}/part-2", tmp_path / "other.log")
    other.launch(["sleep", "1000"], environment=ENVIRONMENT)
    assert [process.pid for process in find(part.marker)] == [part.identity.pid if part.identity else 0]
    assert len(find(prefix)) == 2
    part.stop(grace_seconds=5)
    assert other.exit_code() is None
    assert stop_all(prefix, grace_seconds=5) == [other.identity.pid if other.identity else 0]


def test_a_recycled_process_id_is_another_process() -> None:
    with subprocess.Popen(["sleep", "1000"], start_new_session=True) as stranger:
        started = psutil.Process(stranger.pid).create_time()
        assert Identity(stranger.pid, started).process() is not None
        recycled = Identity(stranger.pid, started - 100)
        assert recycled.process() is None
        assert stop_all("no-such-marker", [recycled], grace_seconds=0) == []
        assert stranger.poll() is None
        stranger.kill()


def test_a_command_that_does_not_exist_is_an_error_of_the_part(part: ManagedProcess) -> None:
    with pytest.raises(StackError, match="test part: /no/such/program cannot be started"):
        part.launch(["/no/such/program"], environment=ENVIRONMENT)


def test_the_environment_of_a_part_is_the_given_one_and_the_marker(part: ManagedProcess) -> None:
    part.launch(["env"], environment={"PATH": os.environ["PATH"], "A": "1"})
    wait_until(lambda: part.exit_code() == 0)
    assert {line.partition("=")[0] for line in part.log_tail().splitlines()} == {"PATH", "A", MARKER, "SPT_NOENV"}


def test_the_tail_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert tail(log) == ""
    log.write_bytes(b"".join(b"line %d \xff\n" % number for number in range(100)))
    assert tail(log, 2) == "line 98 \ufffd\nline 99 \ufffd"
