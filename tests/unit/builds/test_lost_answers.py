"""Writes of builds whose answers got lost: each is done once, and is no conflict with itself."""

from __future__ import annotations

from typing import Any

import pytest

from lsh_core.builds import aliases
from lsh_core.builds.aliases import live_index, swap
from lsh_core.builds.names import closed_alias, live_write_alias
from lsh_core.builds.records import BuildRecords, BuildState
from lsh_core.builds.write_fence import WriteFence, allow_writes, read_write_fence
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.index_creation import create_index
from lsh_core.elastic.system_indices import LEDGER, RUNS
from tests.fakes.lost_answers import LossyLine
from tests.fakes.memory_server import MemoryServer

NAME, OLD, NEW = "docs", "airlsh-docs-old", "airlsh-docs-new"


@pytest.fixture
def server() -> Any:
    return MemoryServer()


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Indices for which it was asked whether all nodes know of a change."""
    asked: list[str] = []
    monkeypatch.setattr(aliases, "_all_nodes_follow", lambda _, index: not asked.append(index))
    return asked


def recorded(server: Any) -> BuildRecords:
    records = BuildRecords(Cluster(server))
    records.start(NAME, "b1", index=NEW, model_id="m")
    return records


@pytest.mark.parametrize("expected", [None, OLD])
def test_a_swap_is_done_once(server: Any, expected: str | None) -> None:
    server.create(index=OLD, aliases=[NAME, "FENCED"] if expected else [])
    server.create(index=NEW)
    along = [{"add": {"index": NEW, "alias": live_write_alias(NEW)}}]
    if expected:
        along.insert(0, {"remove": {"index": OLD, "alias": "FENCED", "must_exist": True}})
    line = LossyLine(server, "update_aliases")
    assert swap(line.cluster, NAME, expected=expected, new=NEW, along=along)
    assert line.lost == 1
    assert live_index(Cluster(server), NAME) == NEW
    assert set(server.aliases[NEW]) == {NAME, live_write_alias(NEW)}


def test_a_moved_write_fence_is_known_everywhere(server: Any, known: list[str]) -> None:
    server.create(index=NEW, aliases=[closed_alias("b1", 0)])
    server.create(index=LEDGER)
    line = LossyLine(server, "update_aliases")
    allow_writes(line.cluster, NEW, "b1", 3)
    assert line.lost == 1
    assert read_write_fence(Cluster(server), NEW, "b1") == WriteFence(True, 3)
    assert known == [NEW]


def test_an_acknowledged_move_costs_no_second_change(server: Any, known: list[str]) -> None:
    server.create(index=NEW, aliases=[closed_alias("b1", 0)])
    server.create(index=LEDGER)
    allow_writes(Cluster(server), NEW, "b1", 3)
    assert known == []


def test_a_created_index_is_there_already(server: Any) -> None:
    line = LossyLine(server, "create")
    assert not create_index(line.cluster, NEW, {"settings": {}, "mappings": {}})
    assert line.lost == 1
    assert NEW in server.aliases


def test_a_record_is_started_once(server: Any) -> None:
    BuildRecords(Cluster(server))
    line = LossyLine(server, "index")
    recorded_by(line).start(NAME, "b1", index=NEW, model_id="m")
    assert line.lost == 1
    assert recorded_by(server).get(NAME, "b1").state is BuildState.PLANNED


def recorded_by(connection: Any) -> BuildRecords:
    return BuildRecords(connection.cluster if isinstance(connection, LossyLine) else Cluster(connection))


def test_a_retry_of_a_run_keeps_its_first_start(server: Any) -> None:
    records = recorded(server)
    before = records.get(NAME, "b1")
    records.record_state("b1", BuildState.FAILED)
    records.start(NAME, "b1", index=NEW, model_id="other")
    after = records.get(NAME, "b1")
    assert (after.started_at, after.state, after.model_id) == (before.started_at, BuildState.PLANNED, "other")


def test_a_state_is_recorded_where_the_answer_got_lost(server: Any) -> None:
    recorded(server)
    line = LossyLine(server, "update")
    recorded_by(line).record_state("b1", BuildState.LOADED)
    assert line.lost == 1
    assert recorded_by(server).get(NAME, "b1").state is BuildState.LOADED


def test_a_state_that_a_hung_node_writes_late_is_refused(server: Any) -> None:
    records = recorded(server)
    line = LossyLine(server, "update", late=True)
    recorded_by(line).record_state("b1", BuildState.LOADED)
    records.record_state("b1", BuildState.VERIFIED)
    line.wake()
    assert records.get(NAME, "b1").state is BuildState.VERIFIED


def test_an_evaluation_that_a_hung_node_writes_late_is_refused(server: Any) -> None:
    records = recorded(server)
    line = LossyLine(server, "index", late=True)
    recorded_by(line).record_evaluation("b1", {"k": 1})
    records.record_evaluation("b1", {"k": 2})
    line.wake()
    assert records.get(NAME, "b1").evaluation == {"k": 2}


def test_a_deleted_record_is_gone(server: Any) -> None:
    recorded(server)
    line = LossyLine(server, "delete")
    recorded_by(line).forget("b1")
    assert line.lost == 1
    assert server.documents[RUNS, "b1"].source is None
