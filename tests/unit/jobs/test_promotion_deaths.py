"""A promotion that dies at any of its steps: what a rollback goes back to afterwards, with and without a retry."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from lsh_core.builds import records
from lsh_core.builds.aliases import live_index
from lsh_core.builds.names import closed_alias, physical_index
from lsh_core.builds.records import BuildRecords, BuildState
from lsh_core.elastic import leases
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.leases import Caller
from lsh_core.jobs import promotion
from lsh_core.jobs.builds import promote_build, rollback
from lsh_core.jobs.services import Services
from lsh_core.settings import PromoteSettings, RollbackSettings
from tests.fakes.killed_caller import KilledError, MemoryLine
from tests.fakes.memory_server import MemoryServer

NAME = "docs"
ENOUGH = 1_000
"""More calls than a promotion makes."""


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = itertools.count(10_000)
    monkeypatch.setattr(promotion, "warm_up", lambda *_: 0)
    monkeypatch.setattr(records, "now", lambda: f"2026-01-01T00:00:{next(moments)}")  # None is another's moment.
    monkeypatch.setattr(leases.Lease, "_beat", lambda _: None)


def made() -> Any:
    """Return a server with three builds, of which a was live first, then b."""
    server: Any = MemoryServer()
    for build in "abc":
        index = physical_index(NAME, build)
        server.create(index=index, aliases=[closed_alias(build, 1)])
        BuildRecords(Cluster(server)).start(NAME, build, index=index, state=BuildState.VERIFIED, model_id="m")
    for build in "ab":
        promote(server, build)
    return server


def promote(connection: Any, build: str, identity: str | None = "the run") -> None:
    services = Services(connection, None, Caller(f"{identity} {build}" if identity else None, "a promotion"))
    promote_build(PromoteSettings(name=NAME, build=build), services)


def killed(server: Any, calls: int, action: Callable[[Any], None]) -> bool:
    """Carry out an action whose process dies after so many `calls`; return whether it did."""
    line, left = MemoryLine(server), iter(range(calls))

    def count(_: str) -> None:
        line.dead = next(left, None) is None

    line.before = count
    with suppress(KilledError):
        action(line)
    return line.dead


def free_leases(server: Any) -> None:
    """Let the leases of whoever is dead run out."""
    for (at, id), stored in list(server.documents.items()):
        if at == leases.LEASES:
            server.update(index=at, id=id, doc={"released": True})
        assert stored.source is not None


@pytest.mark.parametrize("retried", ["not", "by its run", "by a person"])
def test_a_rollback_after_a_death_goes_back_to_what_was_live(retried: str) -> None:
    moved = 0
    for calls in range(ENOUGH):
        server = made()
        dead = killed(server, calls, lambda line: promote(line, "c"))
        free_leases(server)
        if retried == "by its run":
            promote(server, "c")
        elif retried == "by a person":
            promote(server, "c", identity=None)
        wanted = {"b": "a", "c": "b"}[str(live_index(Cluster(server), NAME))[-1]]
        moved += wanted == "b"
        answer = rollback(RollbackSettings(name=NAME), Services(server, None, Caller(None, "somebody")))
        assert answer.build == wanted, f"dead after {calls} calls"
        if not dead:
            break
    assert not dead
    assert moved > 1, "the promotion never died after its swap"
    assert calls > 20
