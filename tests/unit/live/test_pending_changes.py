"""A change that a later one replaced is not made again, unless that one may still be taken back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from lsh_core.builds.journal_position import BEFORE_ALL
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.system_indices import CHANGES
from lsh_core.live import journal as journals
from lsh_core.live.journal import Change, Entry, Journal
from lsh_core.live.pending_changes import FRESH_SECONDS, pending_changes
from tests.fakes.memory_server import MemoryServer


def append(server: MemoryServer, age: float, *changes: Change) -> list[Entry]:
    """Append changes to the journal as they were so many seconds ago."""
    entries = Journal(Cluster(server), "docs").append(changes)  # type: ignore[arg-type]
    for entry in entries:
        source = server.documents[CHANGES, entry.key].source
        assert source is not None
        source["at"] = (datetime.now(UTC) - timedelta(seconds=age)).isoformat(timespec="milliseconds")
    return entries


@pytest.mark.parametrize("page", [1, 500])
def test_only_what_is_not_replaced_is_due(monkeypatch: pytest.MonkeyPatch, page: int) -> None:
    monkeypatch.setattr(journals, "_PAGE", page)
    server, old, fresh = MemoryServer(), FRESH_SECONDS + 60, FRESH_SECONDS - 60
    append(server, old, Change("replaced", "upsert", b"1"), Change("taken back?", "upsert", b"1"))
    append(server, old, Change("replaced", "delete"), Change("alone", "upsert", b"2"))
    append(server, fresh, Change("taken back?", "upsert", b"3"), Change("twice", "upsert", b"4"))
    append(server, 0, Change("twice", "delete"), Change("p=1", "sweep", partition="p=1", effective_position=1))
    # As old as a sweep's beginning: of the two it is the first, although it was written last.
    append(server, 0, Change("alone", "delete", effective_position=1))

    journal = Journal(Cluster(server), "docs")  # type: ignore[arg-type]
    found = list(pending_changes(journal, BEFORE_ALL, journal.barrier()))

    assert [(entry.id, entry.kind) for _, changes in found for entry in changes] == [
        ("taken back?", "upsert"),
        ("replaced", "delete"),
        ("alone", "upsert"),
        ("taken back?", "upsert"),
        ("twice", "upsert"),
        ("twice", "delete"),
    ]
    assert [entry.row for _, changes in found for entry in changes] == [b"1", None, b"2", b"3", b"4", None]
    assert [entry.kind for entries, _ in found for entry in entries].count("sweep") == 1
