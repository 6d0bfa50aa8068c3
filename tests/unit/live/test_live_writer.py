"""Live writes against a server in memory: what is taken back, what stays, and what is not written again."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lsh_core.builds.journal_position import BEFORE_ALL
from lsh_core.builds.names import live_write_alias, physical_index
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.leases import ALIAS
from lsh_core.elastic.system_indices import CHANGES, LEASES
from lsh_core.errors import MissingPackageError, SourceError, UnavailableError, VerificationError
from lsh_core.jobs import refresh as refreshing
from lsh_core.live import journal as journals
from lsh_core.live import live_writer
from lsh_core.live.change_writer import ID_COLUMN, VECTOR_COLUMN
from lsh_core.live.journal import Change, Entry, Journal
from lsh_core.live.live_fence import fence_live
from lsh_core.live.live_writer import LiveWriter
from lsh_core.models.hyperplane import Hyperplane
from lsh_core.sources.row_ipc import pack_row
from tests.fakes.memory_builds import DIMS, make_build, row
from tests.fakes.memory_server import MemoryServer, refuse

NAME, BUILD = "docs", "b0"
INDEX = physical_index(NAME, BUILD)


class Particular(MemoryServer):
    """A server whose mapping takes no negative value; its build may be closed."""

    is_closed = is_busy = False

    def _operate(self, index: str, verb: str, meta: Mapping[str, Any], document: dict[str, Any] | None) -> Any:
        if self.is_closed and index == INDEX:
            refuse(400, "index_closed_exception")
        if self.is_busy and index == INDEX:
            refuse(429, "es_rejected_execution_exception")
        if document is not None and document.get("value", 0) < 0:
            refuse(400, "document_parsing_exception")
        return super()._operate(index, verb, meta, document)


@pytest.fixture
def server() -> Particular:
    server = Particular()
    make_build(server, NAME, BUILD, {"a": 0}, aliases=[NAME, live_write_alias(INDEX)])
    return server


class FakeTime:
    """A clock that moves when somebody sleeps."""

    def __init__(self) -> None:
        self._now = 0.0

    def monotonic(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        self._now += seconds


def writer(server: MemoryServer, wait_seconds: float = 0) -> LiveWriter:
    return LiveWriter(Cluster(server), NAME, wait_seconds=wait_seconds)  # type: ignore[arg-type]


def leases(server: MemoryServer) -> list[str]:
    return [id for index, id in server.documents if index == LEASES]


def held(server: MemoryServer) -> dict[str, int]:
    documents = ((id, stored.source) for (index, id), stored in server.documents.items() if index == INDEX)
    return {id: source["value"] for id, source in documents if source is not None}


def journal(server: MemoryServer) -> list[Entry]:
    read = Journal(Cluster(server), NAME)  # type: ignore[arg-type]
    return [entry for page in read.read(after=BEFORE_ALL, up_to=read.barrier()) for entry in page]


def hours_pass(server: MemoryServer) -> None:
    server.forget_deletes()
    for (index, _), stored in server.documents.items():
        if index == CHANGES and stored.source is not None:
            at = datetime.fromisoformat(stored.source["at"])
            stored.source["at"] = (at - timedelta(hours=2)).isoformat()


@pytest.mark.parametrize(
    ("ids", "says"),
    [
        ("b10", "is one text; give a list of ids"),
        (b"b10", "is one text; give a list of ids"),
        (["a", None], "None is not an id: it is a NoneType"),
        (["a", True], "True is not an id: it is a bool"),
        (["a", 1.0], "1.0 is not an id: it is a float"),
        (["a", b"a"], "is not an id: it is a bytes"),
        (["a", "\ud800"], "holds half of a surrogate pair"),
        (["a", ""], "must have 1 to 512 bytes"),
        (["a", "ü" * 257], "must have 1 to 512 bytes"),
    ],
)
def test_what_is_no_list_of_ids_deletes_nothing(server: MemoryServer, ids: Any, says: str) -> None:
    with pytest.raises(SourceError, match=says):
        writer(server).delete(ids)
    assert held(server) == {"a": 0}
    assert not journal(server)


def test_a_write_tells_which_documents_were_not_there(server: MemoryServer) -> None:
    written = writer(server).upsert([row("a", 1), row("c", 3)])
    assert (written.changed, written.created, written.missing) == (2, 1, 0)
    deleted = writer(server).delete(["c", "nosuch"])
    assert (deleted.changed, deleted.created, deleted.missing) == (1, 0, 1)
    assert held(server) == {"a": 1}


def test_what_a_build_refuses_is_taken_back_by_its_writer_only(server: MemoryServer) -> None:
    with pytest.raises(SourceError, match=r"id 'b'.*1 of 2 rows were refused"):
        writer(server).upsert([row("b", -1), row("c", 3)])
    assert [entry.id for entry in journal(server)] == ["c"]
    assert held(server) == {"a": 0, "c": 3}


def test_without_the_models_backend_nothing_is_upserted_but_all_is_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Particular()
    model = Hyperplane(tables=2, bits=2, hash_backend="tensorflow").fit(np.eye(8, DIMS, dtype=np.float32))
    make_build(server, NAME, BUILD, {"a": 0}, aliases=[NAME, live_write_alias(INDEX)], model=model)
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(MissingPackageError, match=r"hash_backend=tensorflow needs .*airlsh\[features\]"):
        writer(server).upsert([row("c", 3)])
    assert not journal(server)
    writer(server).delete(["a"])
    assert held(server) == {}


def test_a_change_of_another_writer_that_is_refused_stays_in_the_journal(server: MemoryServer) -> None:
    class Dies(LiveWriter):
        def _apply(self, entries: Any) -> Any:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Dies(Cluster(server), NAME).upsert([row("b", -1), row("c", 3)])  # type: ignore[arg-type]
    with pytest.raises(VerificationError, match=r"'b'.*position 0.*1 of 2 changes were refused"):
        writer(server).apply(journal(server))
    assert [entry.id for entry in journal(server)] == ["b", "c"]
    assert held(server) == {"a": 0, "c": 3}


def test_a_closed_build_is_waited_for_and_nothing_is_taken_back(server: Particular) -> None:
    server.is_closed = True
    with pytest.raises(UnavailableError, match="index_closed_exception"):
        writer(server).upsert([row("c", 3)])
    assert [entry.id for entry in journal(server)] == ["c"]
    server.is_closed = False
    writer(server).apply(journal(server))
    assert held(server) == {"a": 0, "c": 3}


def test_a_writer_that_waits_for_the_build_keeps_nobody_from_promoting(
    server: Particular, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_writer, "time", FakeTime())
    server.is_busy = True
    with pytest.raises(UnavailableError, match="es_rejected_execution_exception"):
        writer(server, wait_seconds=30).upsert([row("c", 3)])
    assert leases(server) == []

    server.is_busy = False
    fence_live(Cluster(server), NAME, INDEX, 1)  # type: ignore[arg-type]
    assert writer(server, wait_seconds=30).upsert([row("c", 3)]).changed == 1
    assert leases(server) == [f"{NAME}/{ALIAS}"]


def test_what_an_earlier_try_wrote_and_others_deleted_since_is_not_written_again(server: MemoryServer) -> None:
    rows = [row("a", 1), row("b", 2)]
    for _ in range(2):
        assert writer(server).upsert(rows, key=lambda number: f"refresh {number}").changed == 2
    writer(server).delete(["a"])
    hours_pass(server)

    writer(server).upsert(rows, key=lambda number: f"refresh {number}")

    assert held(server) == {"b": 2}
    assert len(journal(server)) == 3


class Leased:
    """A lease that nobody takes away."""

    def require(self) -> None:
        """Nobody did."""


def test_a_refresh_brings_back_nothing_that_was_deleted_and_takes_back_nothing_of_others(
    server: Particular, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals, "_PAGE", 1)
    own = writer(server)
    own.upsert([row("a", 1)])
    own.delete(["a"])
    own.journal.append([Change("died", "delete"), Change("p=1", "mark")])
    bad = pa.table({ID_COLUMN: ["bad"], VECTOR_COLUMN: [[1.0, 2.0, 3.0]], "value": [-1]})
    own.journal.append([Change("bad", "upsert", pack_row(bad, 0))])
    hours_pass(server)
    seen: list[set[str]] = []
    lease: Any = Leased()
    monkeypatch.setattr(lease, "require", lambda: seen.append(set(held(server))))
    (end,) = own.journal.append([Change("p=1", "sweep", partition="p=1", effective_position=0)])

    position, sweeps = refreshing._catch_up(None, own, lease)

    assert position >= end.position
    assert sweeps == [end]
    assert (seen, held(server)) == ([set()] * 6, {})
    assert "'bad'" in caplog.text
    assert [entry.id for entry in journal(server)] == ["a", "a", "died", "p=1", "bad", "p=1"]


def test_a_repeated_delete_stays_done(server: MemoryServer) -> None:
    again = [Change("a", "delete", key="once")]
    for _ in range(2):
        writer(server).apply(Journal(Cluster(server), NAME).append(again))  # type: ignore[arg-type]
    assert held(server) == {}
    assert len(journal(server)) == 1
