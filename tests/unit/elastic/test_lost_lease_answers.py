"""Leases whose answers got lost: who wrote one holds it, and a late heartbeat takes nothing over."""

from __future__ import annotations

from typing import Any

import pytest

from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.leases import ALIAS, BUILD, Caller, Lease, LeaseStore, hold
from lsh_core.elastic.system_indices import LEASES, ensure_system_index
from tests.fakes.lost_answers import LossyLine
from tests.fakes.memory_server import MemoryServer

ONE = Caller("one", "the first run")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(Lease, "_beat", lambda _: None)
    server: Any = MemoryServer()
    ensure_system_index(Cluster(server), LEASES)
    return server


@pytest.mark.parametrize("again", [False, True], ids=["created", "replaced"])
def test_a_lease_that_was_written_is_held(server: Any, again: bool) -> None:
    if again:
        with hold(Cluster(server), "docs", BUILD, ONE):
            pass
    line = LossyLine(server, "index")
    with hold(line.cluster, "docs", BUILD, ONE) as lease:
        assert line.lost == 1
        lease.require()
        assert lease.epoch == 1 + again


def test_a_heartbeat_that_was_written_keeps_the_lease(server: Any) -> None:
    with hold(Cluster(server), "docs", BUILD, ONE) as lease:
        line = LossyLine(server, "index")
        lease._cluster = line.cluster
        lease._write(released=False)
        assert line.lost == 1
        lease.require()
        lease._write(released=False)
        lease.require()


def test_a_late_heartbeat_takes_nothing_over(server: Any) -> None:
    line = LossyLine(server, "index", late=True)
    with hold(Cluster(server), "docs", ALIAS, ONE) as lease:
        lease._cluster = line.cluster
        lease._write(released=False)
    with hold(Cluster(server), "docs", ALIAS, Caller("two", "the next run")) as lease:
        line.wake()
        found = LeaseStore(Cluster(server)).read("docs", ALIAS)
        assert found is not None
        assert (found.identity, found.epoch) == ("two", lease.epoch)
