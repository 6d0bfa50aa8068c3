"""The journal read beside a node that was cut off and is back: nothing that was acknowledged is missed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lsh_core.builds.journal_position import BEFORE_ALL
from lsh_core.builds.names import live_write_alias, physical_index
from lsh_core.builds.records import BuildRecords, BuildState
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.system_indices import CHANGES
from lsh_core.errors import UnavailableError
from lsh_core.live import journal_reads
from lsh_core.live.journal import Change, Entry, Journal
from lsh_core.live.live_writer import LiveWriter
from lsh_core.live.replay import replay_changes
from lsh_core.live.watermark import changed_ids, source_watermark
from tests.fakes.killed_caller import MemoryLine
from tests.fakes.memory_builds import make_build, row
from tests.fakes.memory_server import MemoryServer, refuse
from tests.fakes.stale_node import PartlyStale, StaleNode

NAME = "docs"


@pytest.fixture
def server() -> Any:
    return MemoryServer()


def read(connection: Any) -> list[str]:
    """Return the ids of all changes, in order."""
    journal = Journal(Cluster(connection), NAME)
    return [entry.id for page in journal.read(after=BEFORE_ALL, up_to=journal.barrier()) for entry in page]


def append(connection: Any, *ids: str) -> list[Entry]:
    return Journal(Cluster(connection), NAME).append([Change(each, "delete") for each in ids])


def test_a_replay_beside_a_stale_node_misses_no_acknowledged_change(server: Any) -> None:
    live, new = physical_index(NAME, "b0"), physical_index(NAME, "b1")
    make_build(server, NAME, "b0", {"a": 0, "b": 0}, aliases=[NAME, live_write_alias(live)])
    make_build(server, NAME, "b1", {"a": 0, "b": 0})
    LiveWriter(Cluster(server), NAME).upsert([row("a", 1)])
    before = Journal(Cluster(server), NAME).barrier()
    stale = StaleNode(server)
    LiveWriter(Cluster(server), NAME).upsert([row("a", 2), row("c", 3)])
    LiveWriter(Cluster(server), NAME).delete(["b"])
    found = stale.frozen.search(index=CHANGES, query={"term": {"name": NAME}})["hits"]["hits"]
    assert len(found) == 1, "what it reads is what it knew"

    connection: Any = PartlyStale(stale, server)
    replayed = replay_changes(Cluster(connection), NAME, new)

    held = {id: each.source["value"] for (at, id), each in server.documents.items() if at == new and each.source}
    assert held == {"a": 2, "c": 3}
    assert replayed.position > before
    assert {"index", "stats", "open_point_in_time", "mget"} <= set(stale.asked), "it was asked first"


def test_a_position_of_before_is_read_from_a_copy_that_was_right_then(server: Any) -> None:
    append(server, "a", "b")
    before = Journal(Cluster(server), NAME).barrier()
    stale = StaleNode(server)
    append(server, "a")
    connection: Any = PartlyStale(stale, server)
    (page,) = Journal(Cluster(connection), NAME).read(after=BEFORE_ALL, up_to=before)
    assert [entry.id for entry in page] == ["a", "b"]
    assert "search" in stale.asked
    assert read(connection) == ["a", "b", "a"]
    assert not stale.frozen._views, "a point in time was left open"
    assert not server._views, "a point in time was left open"


def test_a_copy_that_has_a_position_but_not_all_before_it_is_not_read(server: Any) -> None:
    """Copies take what is on its way in any order: one that was cut off may hold the turn, and lack what is before."""
    line: Any = MemoryLine(server)
    append(server, "a", "b")
    frozen: list[StaleNode] = []

    def cut_off(call: str) -> None:
        if call == "stats" and not frozen:
            frozen.append(StaleNode(server))
            gone = next(key for key, each in frozen[0].frozen.documents.items() if (each.source or {}).get("id") == "a")
            del frozen[0].frozen.documents[gone]

    line.before = cut_off
    position = Journal(Cluster(line), NAME).barrier()
    connection: Any = PartlyStale(frozen[0], server)
    (page,) = Journal(Cluster(connection), NAME).read(after=BEFORE_ALL, up_to=position)
    assert [entry.id for entry in page] == ["a", "b"]


def test_one_that_proves_less_takes_nothing_from_one_that_proves_more(server: Any) -> None:
    line: Any = MemoryLine(server)
    append(server, "a")
    more: list[int] = []

    def overtake(call: str) -> None:
        if call == "stats" and not more:
            append(server, "b")
            more.append(Journal(Cluster(server), NAME).barrier())

    line.before = overtake
    less = Journal(Cluster(line), NAME).barrier()
    assert less < more[0]
    for up_to, wanted in ((less, ["a"]), (more[0], ["a", "b"])):
        (page,) = Journal(Cluster(server), NAME).read(after=BEFORE_ALL, up_to=up_to)
        assert [entry.id for entry in page] == wanted


def test_what_is_on_its_way_to_a_copy_is_waited_for(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    append(server, "a")
    real, asked = server.stats, []

    def stats(**request: Any) -> Any:
        answer = real(**request)
        asked.append(request)
        (copy,) = answer["indices"][CHANGES]["shards"]["0"]
        copy["seq_no"]["global_checkpoint"] -= len(asked) < 3
        return answer

    monkeypatch.setattr(server, "stats", stats)
    assert Journal(Cluster(server), NAME).barrier() == 1
    assert len(asked) == 3
    monkeypatch.setattr(journal_reads, "_WAIT_SECONDS", 0.0)
    monkeypatch.setattr(server, "stats", lambda **_: {"indices": {}})
    with pytest.raises(UnavailableError, match="-1 of 3 are on every copy"):
        Journal(Cluster(server), NAME).barrier()


def test_nothing_is_read_where_every_copy_is_stale(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    append(server, "a")
    monkeypatch.setattr(journal_reads, "_READ_SECONDS", 0.2)
    stale = StaleNode(server)
    up_to = Journal(Cluster(server), NAME).barrier()
    connection: Any = PartlyStale(stale, StaleNode(stale.frozen))
    with pytest.raises(UnavailableError, match=f"known to hold all up to position {up_to}"):
        next(Journal(Cluster(connection), NAME).read(after=BEFORE_ALL, up_to=up_to))


def test_a_point_in_time_that_is_lost_is_followed_by_another(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    append(server, "a", "b")
    line: Any = MemoryLine(server)
    lost: list[str] = []

    def lose(call: str) -> None:
        if call == "search" and len(lost) < 4:
            lost.append(call)
            server._views.clear()
            if len(lost) == 3:
                refuse(500, "node_not_connected_exception")

    line.before = lose
    assert read(line) == ["a", "b"]
    assert len(lost) == 4


def test_the_proofs_are_no_changes_and_do_not_pile_up(server: Any) -> None:
    entries = append(server, "a")
    journal = Journal(Cluster(server), NAME)
    positions = [journal.barrier() for _ in range(5)]
    assert positions == sorted(set(positions))
    assert not journal.has_any(after=entries[0].position)
    assert journal.has_any(after=BEFORE_ALL)
    assert read(server) == ["a"]
    assert Journal(Cluster(server), "other").barrier() > positions[-1]
    assert read(server) == ["a"]
    assert sum(index == CHANGES for index, _ in server.documents) == 1 + 2 * 2


def test_a_watermark_beside_a_stale_node_ends_at_the_first_change_of_its_time(server: Any) -> None:
    BuildRecords(Cluster(server))
    Journal(Cluster(server), NAME).barrier()
    stale = StaleNode(server)
    (entry,) = append(server, "a")
    connection: Any = PartlyStale(stale, server)
    planned_at = Journal(Cluster(connection), NAME).barrier()
    earlier, later = (
        (datetime.now(UTC) + timedelta(minutes=each)).isoformat(timespec="milliseconds") for each in (-1, 1)
    )
    assert source_watermark(Cluster(connection), NAME, earlier, None, planned_at).position == entry.position - 1
    assert source_watermark(Cluster(connection), NAME, later, None, planned_at).position == planned_at
    assert changed_ids(Cluster(connection), NAME, ["a", "b"], watermark=BEFORE_ALL) == {"a"}


def test_a_record_is_read_as_it_was_acknowledged_last(server: Any) -> None:
    BuildRecords(Cluster(server)).start(NAME, "b1", index="i", model_id="m", state=BuildState.LOADING)
    stale = StaleNode(server)
    BuildRecords(Cluster(server)).record_state("b1", BuildState.VERIFIED)
    connection: Any = PartlyStale(stale, server)
    assert BuildRecords(Cluster(connection)).get(NAME, "b1").state == BuildState.LOADING
    assert BuildRecords(Cluster(connection)).get(NAME, "b1", as_acknowledged=True).state == BuildState.VERIFIED
