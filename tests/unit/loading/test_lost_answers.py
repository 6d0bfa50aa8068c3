"""Writes of a load whose answers got lost: each is done once, and is no conflict with itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lsh_core.builds.names import ledger_alias
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.system_indices import DEAD_LETTERS, LEDGER, QUERIES, ensure_system_index
from lsh_core.errors import LoadError
from lsh_core.loading.dead_letters import write_dead_letters
from lsh_core.loading.ledger import Ledger, LedgerEntry, LedgerKey
from lsh_core.loading.purge import purge_build
from lsh_core.sources.dead_letter import DeadLetter
from lsh_core.sources.source_file import Chunk, SourceFile
from tests.fakes.lost_answers import LossyLine
from tests.fakes.memory_server import MemoryServer

FILE, CHUNK = SourceFile("a.parquet", 100, "v1", (5,), 0, ()), Chunk(0, 0, 0, 5, 0)
KEY = LedgerKey("b1", "uuid", "model", "settings")


@pytest.fixture
def server() -> Any:
    server: Any = MemoryServer()
    for index in (LEDGER, QUERIES, DEAD_LETTERS):
        ensure_system_index(Cluster(server), index)
    server.aliases[LEDGER][ledger_alias("b1", 1)] = {}
    return server


def entry(node: str) -> LedgerEntry:
    hashes = np.zeros((5, 2), dtype=np.uint64)
    return LedgerEntry(0, "a.parquet", 0, 5, 0, node, 0, np.arange(5), hashes)


def test_a_chunk_is_recorded_once(server: Any) -> None:
    line = LossyLine(server, "index")
    Ledger(line.cluster, KEY).write(FILE, entry("one"), CHUNK, epoch=1)
    assert line.lost == 1
    assert Ledger(Cluster(server), KEY).done([FILE], [CHUNK]) == {0}
    assert len([1 for index, _ in server.documents if index == LEDGER]) == 1


def test_an_entry_that_a_hung_node_writes_late_is_refused_after_its_epoch(server: Any) -> None:
    line = LossyLine(server, "index", late=True)
    Ledger(line.cluster, KEY).write(FILE, entry("early"), CHUNK, epoch=1)
    server.aliases[LEDGER] = {ledger_alias("b1", 2): {}}
    Ledger(Cluster(server), KEY).write(FILE, entry("late"), CHUNK, epoch=2)
    line.wake()
    (stored,) = [stored for (index, _), stored in server.documents.items() if index == LEDGER]
    assert stored.source["node"] == "late"
    with pytest.raises(LoadError, match="another run took over"):
        Ledger(Cluster(server), KEY).write(FILE, entry("early"), CHUNK, epoch=1)


def test_dead_letters_are_stored_and_purged_once(server: Any) -> None:
    letter = DeadLetter(source="a.parquet", row=0, id="x", error="error", reason="why", build="b1")
    line = LossyLine(server, "bulk")
    write_dead_letters(line.cluster, [letter])
    assert line.lost == 1
    assert [stored.source is None for (index, _), stored in server.documents.items() if index == DEAD_LETTERS] == [
        False
    ]
    line = LossyLine(server, "bulk")
    purge_build(line.cluster, "b1")
    assert line.lost == 1
    assert [stored.source is None for (index, _), stored in server.documents.items() if index == DEAD_LETTERS] == [True]
