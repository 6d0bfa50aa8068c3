"""The state file: whole or absent, and never a reason to touch somebody else's process."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner

from lsh_core.cli.main import main
from lsh_core.cli.session import services
from lsh_core.errors import StackError
from lsh_core.local.lock import exclusive
from lsh_core.local.process import Identity, ManagedProcess
from lsh_core.local.stack import StackStatus, stack_status, start_stack, stop_stack
from lsh_core.local.state import StackState, read_state, running_stack, write_state


def myself() -> Identity:
    return Identity(os.getpid(), psutil.Process().create_time())


def somebody_else() -> Identity:
    """The id of this process, as if it had belonged to one that ended long ago."""
    return Identity(os.getpid(), psutil.Process().create_time() - 1000)


def running_state(**leaders: Identity) -> StackState:
    return StackState(
        marker="m",
        ready=True,
        elasticsearch=("http://127.0.0.1:1", "http://127.0.0.1:2"),
        dask="tcp://127.0.0.1:3",
        dask_dashboard="http://127.0.0.1:4",
        airflow="http://127.0.0.1:5",
        leaders={name.replace("__", "/").replace("_", "-"): leader for name, leader in leaders.items()},
    )


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    state = running_state(dask__scheduler=myself())
    write_state(tmp_path, state)
    assert read_state(tmp_path) == state
    assert [file.name for file in tmp_path.iterdir()] == ["stack.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"version": 0}', '{"version": 1, "marker": "m"}'])
def test_a_file_that_is_no_state_is_no_stack(tmp_path: Path, text: str) -> None:
    (tmp_path / "stack.json").write_text(text)
    assert read_state(tmp_path) is None
    assert stop_stack(tmp_path) == []


def test_a_stack_is_found_from_a_folder_below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    (tmp_path / ".airlsh").mkdir()
    monkeypatch.chdir(below)
    assert running_stack() is None
    state = running_state(airflow=myself())
    write_state(tmp_path / ".airlsh", state)
    assert running_stack() == state


def test_a_stack_that_lost_parts_is_what_is_left_of_it(tmp_path: Path) -> None:
    leaders = {
        "airflow": somebody_else(),
        "dask__scheduler": myself(),
        "dask__workers": somebody_else(),
        "elasticsearch__node_1": somebody_else(),
        "elasticsearch__node_2": myself(),
    }
    write_state(tmp_path, running_state(**leaders))
    found = running_stack(tmp_path)
    assert found is not None
    assert found.elasticsearch == ("http://127.0.0.1:2",)
    assert (found.dask, found.dask_dashboard, found.airflow) == (None, None, None)
    assert found.leaders == running_state(**leaders).leaders


def test_a_stack_that_ended_or_is_starting_does_not_run(tmp_path: Path) -> None:
    write_state(tmp_path, running_state(airflow=somebody_else(), dask__scheduler=somebody_else()))
    assert running_stack(tmp_path) is None
    assert stack_status(tmp_path) == StackStatus()
    write_state(tmp_path, StackState(marker="m", leaders={"airflow": myself()}))
    assert running_stack(tmp_path) is None


@pytest.mark.parametrize("lost", ["airflow", "dask__workers", "elasticsearch__node_1"])
def test_commands_use_what_is_left_of_a_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: str) -> None:
    parts = ("airflow", "dask__scheduler", "dask__workers", "elasticsearch__node_1", "elasticsearch__node_2")
    (tmp_path / ".airlsh").mkdir()
    write_state(tmp_path / ".airlsh", running_state(**{**dict.fromkeys(parts, myself()), lost: somebody_else()}))
    monkeypatch.chdir(tmp_path)
    found = services(None)
    nodes = ("http://127.0.0.1:1", "http://127.0.0.1:2")
    assert found.connection.urls == (nodes[1:] if lost == "elasticsearch__node_1" else nodes)
    assert found.dask == (None if lost == "dask__workers" else "tcp://127.0.0.1:3")


def test_status_has_empty_values_for_what_ended(tmp_path: Path) -> None:
    write_state(
        tmp_path,
        running_state(
            airflow=somebody_else(),
            dask__scheduler=myself(),
            elasticsearch__node_1=somebody_else(),
            elasticsearch__node_2=myself(),
        ),
    )
    assert stack_status(tmp_path).to_json() == {
        "elasticsearch": ["http://127.0.0.1:2"],
        "dask": "tcp://127.0.0.1:3",
        "dask_dashboard": "http://127.0.0.1:4",
        "airflow": None,
        "stopped": ["airflow", "elasticsearch/node-1"],
        "remedy": "airlsh down && airlsh up",
    }


def test_status_of_a_stack_that_lost_its_elasticsearch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".airlsh").mkdir()
    parts = {"dask__scheduler": myself(), "elasticsearch__node_1": somebody_else()}
    write_state(tmp_path / ".airlsh", replace(running_state(**parts), elasticsearch=("http://127.0.0.1:1",)))
    monkeypatch.chdir(tmp_path)
    told = CliRunner().invoke(main, ["status"])
    assert told.exit_code == 1
    assert "elasticsearch/node-1 stopped; to start it again: airlsh up\n" in told.output
    found = CliRunner().invoke(main, ["status", "--json"])
    assert (found.exit_code, json.loads(found.output)["stopped"]) == (1, ["elasticsearch/node-1"])


def test_status_of_nothing(tmp_path: Path) -> None:
    expected = {
        "elasticsearch": [],
        "dask": None,
        "dask_dashboard": None,
        "airflow": None,
        "stopped": [],
        "remedy": None,
    }
    assert stack_status(tmp_path / "nowhere").to_json() == expected
    assert stop_stack(tmp_path / "nowhere") == []


def test_stopping_never_touches_a_process_that_only_has_the_id(tmp_path: Path) -> None:
    write_state(tmp_path, running_state(airflow=somebody_else()))
    assert stop_stack(tmp_path) == []
    assert read_state(tmp_path) is None


def test_a_second_start_is_refused_while_one_is_under_way(tmp_path: Path) -> None:
    with exclusive(tmp_path), pytest.raises(StackError, match="another process is starting or stopping"):
        start_stack(folder=tmp_path)
    with exclusive(tmp_path):
        pass


def test_a_start_beside_a_running_stack_is_refused_and_names_it(tmp_path: Path) -> None:
    state = running_state(airflow=myself())
    write_state(tmp_path, state)
    with pytest.raises(StackError, match=r"already running in .*http://127\.0\.0\.1:1(.|\n)*airlsh down"):
        start_stack(folder=tmp_path)
    assert read_state(tmp_path) == state


@pytest.mark.parametrize("lost", ["airflow", "dask__scheduler", "elasticsearch__node_1"])
def test_a_start_beside_living_nodes_is_refused_and_says_what_is_dead(tmp_path: Path, lost: str) -> None:
    parts = ("airflow", "dask__scheduler", "elasticsearch__node_1", "elasticsearch__node_2")
    state = running_state(**{**dict.fromkeys(parts, myself()), lost: somebody_else()})
    write_state(tmp_path, state)
    dead = lost.replace("__", "/").replace("_", "-")
    with pytest.raises(StackError, match=rf"has lost {dead}, .*http://127\.0\.0\.1:2(.|\n)*airlsh down"):
        start_stack(folder=tmp_path)
    assert read_state(tmp_path) == state


def test_a_start_clears_away_what_is_left_without_elasticsearch(
    make_elasticsearch: Callable[[str], Path], open_folder: Path
) -> None:
    make_elasticsearch("echo 'no luck'; exit 1")
    folder = open_folder / "stack"
    folder.mkdir()
    left = ManagedProcess("dask scheduler", "m/scheduler", folder / "dask.log")
    left.launch(["sleep", "1000"], environment={})
    assert left.identity is not None
    leaders = {"dask__scheduler": left.identity, "elasticsearch__node_1": somebody_else()}
    write_state(folder, running_state(**leaders))
    with pytest.raises(StackError, match="no luck"):
        start_stack(folder=folder, airflow=False)
    assert left.processes() == []
