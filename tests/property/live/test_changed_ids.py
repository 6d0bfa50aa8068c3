"""Ids that belong to live changes, asked for one by one and all together."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lsh_core.builds.id_hashes import hash_ids
from lsh_core.builds.journal_position import JournalPosition
from lsh_core.elastic.cluster import Cluster
from lsh_core.live.journal import Change, Journal
from lsh_core.live.replay import changed_hashes
from lsh_core.live.watermark import changed_ids
from tests.fakes.memory_server import MemoryServer

IDS = ("a", "b", "c", "d")
CHANGES = st.lists(
    st.tuples(st.sampled_from(IDS), st.sampled_from(["upsert", "delete", "mark", "sweep"]), st.integers(-1, 12)),
    max_size=12,
)


@given(CHANGES, st.integers(-1, 12))
def test_verification_takes_the_same_ids_for_changed(changes: list[tuple[str, Any, int]], watermark: int) -> None:
    server: Any = MemoryServer()
    journal = Journal(Cluster(server), "docs")
    for place, (each, kind, older) in enumerate(changes):
        position = older if 0 <= older < place else None
        journal.append([Change(each, kind, b"row" if kind == "upsert" else None, effective_position=position)])
    Journal(Cluster(server), "other").append([Change("d", "delete")])

    up_to = journal.barrier()
    below = JournalPosition(min(watermark, up_to))
    found = changed_ids(Cluster(server), "docs", IDS, watermark=below)

    wanted = changed_hashes(Cluster(server), "docs", up_to=up_to, watermark=below)
    assert np.array_equal(np.sort(hash_ids(sorted(found)), axis=0), np.sort(wanted, axis=0))
