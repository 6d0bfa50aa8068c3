from __future__ import annotations

import pytest

from lsh_core.builds.names import fence_alias, live_write_alias
from lsh_core.elastic.cluster import Cluster
from lsh_core.live.live_fence import LiveFence, fence_live, read_live_fence, repair_live, unfence_live
from tests.fakes.memory_server import MemoryServer

NAME, LIVE, OTHER = "docs", "airlsh-docs-live", "airlsh-docs-other"


@pytest.fixture
def server() -> MemoryServer:
    server = MemoryServer()
    server.create(index=LIVE, aliases=[NAME])
    server.create(index=OTHER)
    return server


def fence_of(server: MemoryServer, index: str = LIVE) -> LiveFence | None:
    return read_live_fence(Cluster(server), NAME, index)  # type: ignore[arg-type]


def test_a_live_index_of_before_the_fences_gets_one(server: MemoryServer) -> None:
    assert fence_of(server) is None
    assert repair_live(Cluster(server), NAME, 1)  # type: ignore[arg-type]
    assert fence_of(server) == LiveFence(LIVE, None)
    assert not repair_live(Cluster(server), NAME, 2)  # type: ignore[arg-type]


def test_a_fence_is_put_up_once_and_taken_away_by_its_own_epoch(server: MemoryServer) -> None:
    repair_live(Cluster(server), NAME, 1)  # type: ignore[arg-type]
    assert fence_live(Cluster(server), NAME, LIVE, 2)  # type: ignore[arg-type]
    assert list(server.aliases[LIVE]) == [NAME, fence_alias(NAME, 2)]
    assert not unfence_live(Cluster(server), NAME, LIVE, 1)  # type: ignore[arg-type]
    assert unfence_live(Cluster(server), NAME, LIVE, 2)  # type: ignore[arg-type]
    assert list(server.aliases[LIVE]) == [NAME, live_write_alias(LIVE)]


def test_the_fence_of_a_later_epoch_is_left_alone(server: MemoryServer) -> None:
    repair_live(Cluster(server), NAME, 1)  # type: ignore[arg-type]
    fence_live(Cluster(server), NAME, LIVE, 3)  # type: ignore[arg-type]
    assert not fence_live(Cluster(server), NAME, LIVE, 2)  # type: ignore[arg-type]
    assert not repair_live(Cluster(server), NAME, 2)  # type: ignore[arg-type]
    assert fence_of(server) == LiveFence(LIVE, 3)


def test_an_index_that_is_not_live_gets_no_fence(server: MemoryServer) -> None:
    """A promotion that was overtaken would leave it there, and could then not take it away."""
    repair_live(Cluster(server), NAME, 1)  # type: ignore[arg-type]
    assert not fence_live(Cluster(server), NAME, OTHER, 2)  # type: ignore[arg-type]
    assert server.aliases[OTHER] == {}


def test_a_fence_that_moves_between_the_look_and_the_step_is_not_moved(server: MemoryServer) -> None:
    repair_live(Cluster(server), NAME, 1)  # type: ignore[arg-type]
    server.between = lambda: void(fence_live(Cluster(server), NAME, LIVE, 3))  # type: ignore[arg-type]
    assert not fence_live(Cluster(server), NAME, LIVE, 2)  # type: ignore[arg-type]
    assert fence_of(server) == LiveFence(LIVE, 3)


def test_an_index_that_ceases_to_be_live_is_not_opened(server: MemoryServer) -> None:
    actions = [{"remove": {"index": LIVE, "alias": NAME}}, {"add": {"index": OTHER, "alias": NAME}}]
    server.between = lambda: void(server.update_aliases(actions=actions))
    assert not repair_live(Cluster(server), NAME, 1)  # type: ignore[arg-type]
    assert server.aliases == {LIVE: {}, OTHER: {NAME: {}}}


def void(_: object) -> None:
    """Let go of a value, where nothing is to be returned."""
