"""A fence that some node does not know of is no fence, and none outlives the promotion that put it up."""

from __future__ import annotations

from typing import Any

import pytest
from elastic_transport import ConnectionTimeout

from lsh_core.builds import aliases
from lsh_core.builds.names import fence_alias, live_write_alias, physical_index
from lsh_core.builds.write_fence import allow_writes, fence_writes, read_write_fence
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.leases import ALIAS, Caller, LeaseStore
from lsh_core.errors import UnavailableError
from lsh_core.jobs import promotion
from lsh_core.jobs.promotion import make_live
from lsh_core.jobs.services import Services
from lsh_core.live.live_fence import LiveFence, fence_live, read_live_fence, repair_live, unfence_live
from lsh_core.signals import signals_as_exceptions
from tests.fakes.lost_signals import lose_a_signal
from tests.fakes.memory_builds import make_build
from tests.fakes.memory_server import Answer, MemoryServer

NAME = "docs"
OLD, NEW = physical_index(NAME, "old"), physical_index(NAME, "new")


class SlowToTell(MemoryServer):
    """A cluster with a node that lags behind, for `changes` changes, once an alias with `part` in its name is added."""

    def __init__(self, part: str, trouble: Exception | None = None, changes: int | None = None) -> None:
        super().__init__()
        self.part, self.trouble, self.changes = part, trouble, changes
        self.lags = False

    def update_aliases(self, *, actions: Any, **options: Any) -> Answer:
        answer = super().update_aliases(actions=actions, **options)
        self.lags = self.lags or any(self.part in action["add"]["alias"] for action in actions if "add" in action)
        if not self.lags or self.changes == 0:
            return answer
        if self.changes is not None:
            self.changes -= 1
        if self.trouble is not None:
            trouble, self.trouble = self.trouble, None
            raise trouble
        return Answer({**answer, "acknowledged": False})


@pytest.fixture(autouse=True)
def cold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(promotion, "warm_up", lambda *_: 0)
    monkeypatch.setattr(aliases, "_KNOWN_SECONDS", 0.2)


def promote_new(server: Any) -> str:
    make_build(server, NAME, "old", {"a": 0}, aliases=[NAME, live_write_alias(OLD)])
    make_build(server, NAME, "new", {"a": 0})
    return make_live(NAME, "new", Services(server, None, Caller(None, "the tests")), expected=OLD)


def test_a_fence_that_may_not_hold_is_not_gone_by_and_taken_away() -> None:
    server: Any = SlowToTell("FENCED")
    with pytest.raises(UnavailableError, match=r"does not know how .*FENCED"):
        promote_new(server)
    assert set(server.aliases[OLD]) - {"airlsh-c-old-1"} == {NAME, live_write_alias(OLD)}
    assert list(server.aliases[NEW]) == ["airlsh-c-new-1"]
    lease = LeaseStore(Cluster(server)).read(NAME, ALIAS)
    assert lease is not None
    assert lease.released


def test_a_fence_whose_answer_was_lost_is_known_everywhere_before_the_promotion_goes_on() -> None:
    server: Any = SlowToTell("FENCED", ConnectionTimeout("no answer"), changes=3)
    assert promote_new(server) == NEW
    assert server.changes == 0
    assert not any("FENCED" in alias for alias in server.aliases[OLD])


@pytest.mark.parametrize("step", ["warm_up", "fence_live", "catch_up"])
def test_a_signal_that_was_lost_before_the_swap_keeps_the_alias_where_it_is(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server: Any = MemoryServer()
    make_build(server, NAME, "old", {"a": 0}, aliases=[NAME, live_write_alias(OLD)])
    make_build(server, NAME, "new", {"a": 0})
    before, really = set(server.aliases[OLD]), getattr(promotion, step)

    def interrupted(*arguments: Any) -> Any:
        lose_a_signal()
        return really(*arguments)

    monkeypatch.setattr(promotion, step, interrupted)
    with pytest.raises(SystemExit), signals_as_exceptions():
        make_live(NAME, "new", Services(server, None, Caller(None, "the tests")), expected=OLD)
    assert set(server.aliases[OLD]) == before
    assert NAME not in server.aliases[NEW]
    lease = LeaseStore(Cluster(server)).read(NAME, ALIAS)
    assert lease is not None
    assert lease.released


def test_a_way_that_opens_late_for_some_node_is_open() -> None:
    server: Any = SlowToTell("")
    server.create(index=OLD, aliases=[NAME])
    assert repair_live(Cluster(server), NAME, 1)
    with pytest.raises(UnavailableError, match=r"did not answer within .* s; last.*FENCED"):
        fence_live(Cluster(server), NAME, OLD, 2)
    assert read_live_fence(Cluster(server), NAME, OLD) == LiveFence(OLD, 2)
    assert unfence_live(Cluster(server), NAME, OLD, 2)
    assert fence_alias(NAME, 2) not in server.aliases[OLD]


@pytest.mark.parametrize("changes", [1, 2, 3])
def test_a_node_that_lags_is_waited_for(changes: int) -> None:
    server: Any = SlowToTell("FENCED", changes=changes)
    make_build(server, NAME, "old", {"a": 0}, aliases=[NAME, live_write_alias(OLD)])
    assert fence_live(Cluster(server), NAME, OLD, 2)
    assert server.changes == 0
    assert read_live_fence(Cluster(server), NAME, OLD) == LiveFence(OLD, 2)
    assert not any("known" in alias for alias in server.aliases[OLD])


@pytest.mark.parametrize("move", [allow_writes, fence_writes])
def test_a_write_fence_that_some_node_does_not_know_of_has_not_moved(move: Any) -> None:
    server: Any = SlowToTell("")
    make_build(server, NAME, "new", {})
    server.create(index="airlsh-ledger")
    with pytest.raises(UnavailableError):
        move(Cluster(server), NEW, "new", 2)
    assert read_write_fence(Cluster(server), NEW, "new").epoch == 2
