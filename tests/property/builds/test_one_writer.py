"""Lease, fence, ledger and alias against a simple model, whatever order things happen in, races included.

The code is the real one; the server is in memory, and time passes only when a rule says so.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from lsh_core.builds.aliases import swap
from lsh_core.builds.names import closed_alias, ledger_alias, write_alias
from lsh_core.builds.write_fence import WriteFence, allow_writes, fence_writes, read_write_fence
from lsh_core.elastic import leases
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.leases import BUILD, HEARTBEAT_SECONDS, TTL_SECONDS, Caller, Lease, LeaseStore, hold
from lsh_core.elastic.system_indices import LEDGER
from lsh_core.errors import LeaseHeldError, LoadError, PromotionConflictError
from tests.fakes.memory_server import MemoryServer

NAME, BUILD_ID, INDEX = "docs", "b1", "airlsh-docs-b1"
TARGETS = (INDEX, "airlsh-docs-b0", "airlsh-docs-b2")
ACTORS = range(3)
actors = st.sampled_from(ACTORS)
targets = st.sampled_from(TARGETS)


@dataclass
class Actor:
    """One run that wants to write: awake it beats, asleep it does not know what happened meanwhile."""

    caller: Caller
    build: str | None
    context: AbstractContextManager[Lease] | None = None
    lease: Lease | None = None
    awake: bool = True
    beaten: float = 0.0
    epochs: list[int] = field(default_factory=list)


class OneWriter(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.server, self.now = MemoryServer(), 0.0
        self.server.create(index=INDEX, aliases=[closed_alias(BUILD_ID, 0)])
        for index in (*TARGETS[1:], LEDGER):
            self.server.create(index=index)
        self.actors = [
            # The first two go on with the same build; the third is for another one.
            Actor(Caller(f"run-{number}", f"run {number}"), BUILD_ID if number < 2 else "another")
            for number in ACTORS
        ]
        self.fence, self.live, self.epoch, self.landed = WriteFence(False, 0), None, 0, [0]
        self.patches = mock.patch.multiple(leases, time=self, datetime=_Clock(self))
        self.patches.start()

    def teardown(self) -> None:
        self.patches.stop()
        for actor in self.actors:
            if actor.lease is not None:
                actor.lease.release = False
                actor.lease.stop()

    # The clock of the leases.

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass: whoever is awake beats when it is due."""
        self.now += seconds
        for actor in self.actors:
            if actor.lease is not None and actor.awake and self.now - actor.beaten >= HEARTBEAT_SECONDS:
                self._beat(actor)

    def _beat(self, actor: Actor) -> None:
        assert actor.lease is not None
        actor.beaten = self.now
        if not actor.lease._lost.is_set():
            actor.lease._write(released=False)

    def _holder(self) -> Actor | None:
        """The actor whose lease it is by the model: the one with the newest epoch, until it gives it back."""
        return next((each for each in self.actors if each.lease is not None and each.epochs[-1] == self.epoch), None)

    # Leases.

    def _acquire(self, actor: Actor) -> bool:
        if actor.lease is not None:
            return False
        context = hold(Cluster(self.server), NAME, BUILD, actor.caller, build=actor.build)  # type: ignore[arg-type]
        try:
            lease = context.__enter__()
        except LeaseHeldError as refused:
            holder = next(each for each in self.actors if each.caller.description == refused.holder)
            assert holder is not actor
            return False
        assert lease.epoch > self.epoch, "an epoch came twice"
        self.epoch = lease.epoch
        actor.context, actor.lease, actor.awake, actor.beaten = context, lease, True, self.now
        actor.epochs.append(lease.epoch)
        return True

    @rule(number=actors)
    def acquire(self, number: int) -> None:
        holder, actor = self._holder(), self.actors[number]
        alive = holder is not None and holder.awake
        had = actor.lease is not None
        got = self._acquire(actor)
        assert not (got and alive), "a lease was taken from a holder that was alive"
        assert got or had or alive, "nobody who is alive held it, and it was refused"

    @rule(number=actors, rival=actors)
    def acquire_at_once(self, number: int, rival: int) -> None:
        """Another one comes between the read and the write."""
        if number != rival:
            self.server.between = lambda: void(self._acquire(self.actors[rival]))
            self._acquire(self.actors[number])
            self.server.between = None

    @rule(number=actors)
    def release(self, number: int) -> None:
        actor = self.actors[number]
        if actor.context is not None and actor.awake:
            actor.context.__exit__(None, None, None)
            actor.context = actor.lease = None

    @rule(number=actors)
    def fall_asleep(self, number: int) -> None:
        self.actors[number].awake = False

    @rule(number=actors)
    def wake_up(self, number: int) -> None:
        actor = self.actors[number]
        actor.awake = True
        if actor.lease is not None:
            self._beat(actor)
            assert actor.lease._lost.is_set() == (actor.lease.epoch != self.epoch)

    @rule(number=actors)
    def die(self, number: int) -> None:
        """SIGKILL: it gives nothing back, and what it sent may still arrive."""
        actor = self.actors[number]
        if actor.lease is not None:
            actor.lease.release = False
            actor.lease.stop()
            actor.context = actor.lease = None

    @rule(seconds=st.sampled_from([1.0, HEARTBEAT_SECONDS, TTL_SECONDS + 1]))
    def wait(self, seconds: float) -> None:
        for _ in range(int(seconds)):
            self.sleep(1.0)

    # The fence of the build, and writes through it.

    @rule(number=actors, opened=st.booleans())
    def move_fence(self, number: int, opened: bool) -> None:
        if self.actors[number].epochs:
            self._move_fence(WriteFence(opened, self.actors[number].epochs[-1]))

    @rule(first=actors, second=actors, opened=st.booleans())
    def move_fence_at_once(self, first: int, second: int, opened: bool) -> None:
        """Another one moves the fence between the read and the write."""
        if self.actors[first].epochs and self.actors[second].epochs:
            self.server.between = lambda: self._move_fence(WriteFence(True, self.actors[second].epochs[-1]))
            self._move_fence(WriteFence(opened, self.actors[first].epochs[-1]))
            self.server.between = None

    def _move_fence(self, wanted: WriteFence) -> None:
        move = allow_writes if wanted.is_open else fence_writes
        try:
            move(Cluster(self.server), INDEX, BUILD_ID, wanted.epoch)  # type: ignore[arg-type]
        except LoadError:
            assert self.fence.epoch > wanted.epoch, "an epoch that was not over was refused"
        else:
            assert self.fence.epoch <= wanted.epoch, "a stale epoch moved the fence"
            self.fence = wanted

    @rule(number=actors, old=st.integers(0, 3))
    def write(self, number: int, old: int) -> None:
        """A loader of any epoch that this actor ever had writes a row, and then its ledger entry."""
        actor = self.actors[number]
        if not actor.epochs:
            return
        epoch = actor.epochs[max(0, len(actor.epochs) - 1 - old)]
        for alias in (write_alias(BUILD_ID, epoch), ledger_alias(BUILD_ID, epoch)):
            try:
                self.server.index(index=alias, id=f"{epoch}", document={"epoch": epoch}, require_alias=True)
            except Exception:
                assert self.fence != WriteFence(True, epoch), "the epoch that may write could not"
            else:
                assert self.fence == WriteFence(True, epoch), "a write with a stale epoch landed"
                self.landed.append(epoch)

    # The alias.

    @rule(new=targets, expected=st.none() | targets)
    def promote(self, new: str, expected: str | None) -> None:
        self._swap(expected, new)

    @precondition(lambda self: self.live is not None)
    @rule(first=targets, second=targets)
    def promote_at_once(self, first: str, second: str) -> None:
        """Two that both read the same live build."""
        before = self.live
        self.server.between = lambda: self._swap(before, second)
        self._swap(before, first)
        self.server.between = None

    def _swap(self, expected: str | None, new: str) -> None:
        try:
            swap(Cluster(self.server), NAME, expected=expected, new=new)  # type: ignore[arg-type]
        except PromotionConflictError:
            assert self.live != expected, "a swap from what is live was refused"
        else:
            # Another one may have made the very same move between the read and the write.
            assert self.live in (expected, new), "a swap from what is not live was made"
            self.live = new

    # What is never wrong.

    @invariant()
    def at_most_one_holder(self) -> None:
        sure = [each for each in self.actors if each.lease is not None and each.awake and not each.lease._lost.is_set()]
        assert len([each for each in sure if self.now - each.beaten < HEARTBEAT_SECONDS]) <= 1

    @invariant()
    def epochs_only_grow(self) -> None:
        record = LeaseStore(Cluster(self.server)).read(NAME, BUILD)  # type: ignore[arg-type]
        assert (record.epoch if record else 0) == self.epoch

    @invariant()
    def writes_land_in_the_order_of_epochs(self) -> None:
        assert self.landed == sorted(self.landed)

    @invariant()
    def one_fence_and_one_way_to_the_ledger(self) -> None:
        assert read_write_fence(Cluster(self.server), INDEX, BUILD_ID) == self.fence  # type: ignore[arg-type]
        ways = [ledger_alias(BUILD_ID, self.fence.epoch)] if self.fence.is_open else []
        assert list(self.server.aliases[LEDGER]) == ways

    @invariant()
    def the_alias_has_exactly_one_index(self) -> None:
        behind = [index for index, aliases in self.server.aliases.items() if NAME in aliases]
        assert behind == ([] if self.live is None else [self.live])


class _Clock:
    """Stands for ``datetime`` in the leases, with the machine's time."""

    fromisoformat = staticmethod(datetime.fromisoformat)

    def __init__(self, machine: OneWriter) -> None:
        self._machine = machine

    def now(self, zone: Any = UTC) -> datetime:
        return datetime(2026, 1, 1, tzinfo=zone) + timedelta(seconds=self._machine.now)


def void(_: object) -> None:
    """Let go of a value, where nothing is to be returned."""


TestOneWriter = OneWriter.TestCase
TestOneWriter.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
