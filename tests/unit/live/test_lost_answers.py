"""Writes of live changes whose answers got lost: each is done once, and is no conflict with itself."""

from __future__ import annotations

from typing import Any

import pytest

from lsh_core.builds import aliases
from lsh_core.builds.journal_position import BEFORE_ALL, JournalPosition, SourceWatermark
from lsh_core.builds.names import live_write_alias
from lsh_core.elastic.cluster import Cluster
from lsh_core.errors import LeaseLostError
from lsh_core.live.journal import Change, Journal
from lsh_core.live.live_fence import LiveFence, fence_live, read_live_fence, unfence_live
from lsh_core.live.partition_fence import fenced_journal_alias
from lsh_core.live.partition_state import PartitionStore
from lsh_core.live.watermark import _deleted, record_deleted
from tests.fakes.lost_answers import LossyLine
from tests.fakes.memory_server import MemoryServer

NAME, LIVE = "docs", "airlsh-docs-live"


@pytest.fixture
def server() -> Any:
    server = MemoryServer()
    server.create(index=LIVE, aliases=[NAME, live_write_alias(LIVE)])
    return server


def test_a_change_is_appended_once(server: Any) -> None:
    line = LossyLine(server, "perform_request")
    (entry,) = Journal(line.cluster, NAME).append([Change("a", "delete")])
    journal = Journal(Cluster(server), NAME)
    (page,) = journal.read(after=BEFORE_ALL, up_to=journal.barrier())
    assert line.lost == 1
    assert [each.position for each in page] == [entry.position]


def test_changes_are_taken_out_once(server: Any) -> None:
    journal = Journal(Cluster(server), NAME)
    journal.append([Change("a", "delete"), Change("b", "delete")])
    (page,) = journal.read(after=BEFORE_ALL, up_to=journal.barrier())
    line = LossyLine(server, "perform_request")
    Journal(line.cluster, NAME).take_out(page)
    assert line.lost == 1
    assert not list(journal.read(after=BEFORE_ALL, up_to=journal.barrier()))


def test_a_fence_holds_and_is_known_everywhere(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(aliases, "_all_nodes_follow", lambda _, index: not asked.append(index))
    line = LossyLine(server, "update_aliases")
    assert fence_live(line.cluster, NAME, LIVE, 2)
    assert line.lost == 1
    assert asked == [LIVE]
    assert read_live_fence(Cluster(server), NAME, LIVE) == LiveFence(LIVE, 2)


def test_a_fence_is_taken_away(server: Any) -> None:
    fence_live(Cluster(server), NAME, LIVE, 2)
    line = LossyLine(server, "update_aliases")
    assert unfence_live(line.cluster, NAME, LIVE, 2)
    assert line.lost == 1
    assert read_live_fence(Cluster(server), NAME, LIVE) == LiveFence(LIVE, None)


def test_a_fence_of_another_promotion_is_not_taken_for_the_own(server: Any) -> None:
    server.between = lambda: fence_live(Cluster(server), NAME, LIVE, 3)
    assert not fence_live(Cluster(server), NAME, LIVE, 2)


@pytest.mark.parametrize("times", [1, 2], ids=["created", "replaced"])
def test_the_state_of_a_partition_is_written_once(server: Any, times: int) -> None:
    store = PartitionStore(Cluster(server), NAME, "day=1", epoch=1)
    if times == 2:
        store.begin("f")
    line = LossyLine(server, "index")
    store._cluster = line.cluster
    store.begin("f")
    store.update(done=True)
    assert line.lost == 1
    found = PartitionStore(Cluster(server), NAME, "day=1", epoch=1).last
    assert found is not None
    assert found.done


def test_the_state_that_another_run_wrote_is_not_taken_for_the_own(server: Any) -> None:
    store, other = (PartitionStore(Cluster(server), NAME, "day=1", epoch=1) for _ in range(2))
    other.begin("another source")
    with pytest.raises(LeaseLostError):
        store.begin("f")


def test_the_alias_of_a_partition_is_added_and_removed(server: Any) -> None:
    Journal(Cluster(server), NAME)
    line = LossyLine(server, "update_aliases")
    with fenced_journal_alias(line.cluster, "d1", 1) as alias:
        assert line.lost == 1
        assert alias in server.aliases["airlsh-changes"]
    assert alias not in server.aliases["airlsh-changes"]


def test_a_watermark_that_a_hung_node_writes_late_replaces_no_later_one(server: Any) -> None:
    early, late = (SourceWatermark(f"2026-01-0{day}", JournalPosition(day)) for day in (1, 2))
    line = LossyLine(server, "index", late=True)
    record_deleted(line.cluster, NAME, early)
    record_deleted(Cluster(server), NAME, late)
    line.wake()
    assert _deleted(Cluster(server), NAME) == late
