"""What is known of partitions that were refreshed."""

from __future__ import annotations

from typing import Any

import pytest

from lsh_core.elastic.cluster import Cluster
from lsh_core.live import partition_state
from lsh_core.live.partition_state import PartitionStore, refreshed_partitions
from tests.fakes.memory_server import MemoryServer


def test_partitions_that_were_refreshed_after_a_place_in_the_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partition_state, "_PARTITIONS_PER_PAGE", 2)
    server: Any = MemoryServer()
    for partition, begin in (("day=1", 5), ("day=2", 6), ("day=3", 7), ("day=4", None), ("day=5", 9)):
        store = PartitionStore(Cluster(server), "docs", partition, epoch=1)
        store.begin("files")
        if begin is not None:
            store.update(begin=begin)
    other = PartitionStore(Cluster(server), "other", "day=1", epoch=1)
    other.begin("files")
    asked = {"day=1", "day=2", "day=3", "day=4", "day=6"}
    assert refreshed_partitions(Cluster(server), "docs", asked, after=5) == {"day=2", "day=3", "day=4"}
    assert refreshed_partitions(Cluster(server), "docs", [], after=-1) == set()
