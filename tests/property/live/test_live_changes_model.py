"""Journal, live fence and alias against a simple model: writers and promotions that come between each other, and die.

The code is the real one; the server is in memory. Between any two calls of an operation another one may happen from
its beginning to its end, a minute may pass, or the operation's process may die. The node that is asked first may have
been cut off for a while: then it reads the journal as it was.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from lsh_core.builds.names import fence_alias, live_write_alias, physical_index
from lsh_core.elastic import leases
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.leases import TTL_SECONDS, Caller
from lsh_core.elastic.system_indices import CHANGES
from lsh_core.errors import (
    AirlshError,
    LeaseHeldError,
    LeaseLostError,
    NotFoundError,
    PromotionConflictError,
    UnavailableError,
)
from lsh_core.jobs import promotion
from lsh_core.jobs.builds import promote_build, rollback
from lsh_core.jobs.services import Services
from lsh_core.live import journal, live_writer, replay
from lsh_core.live.journal import Change
from lsh_core.live.live_writer import LiveWriter
from lsh_core.settings import PromoteSettings, RollbackSettings
from tests.fakes.killed_caller import KilledError, MemoryLine
from tests.fakes.memory_builds import make_build, row
from tests.fakes.memory_server import MemoryServer
from tests.fakes.stale_node import StaleNode

NAME = "docs"
IDS = ("in the source", "there too", "new")
IN_SOURCE = frozenset(IDS[:2])
FROM_SOURCE = 0
FENCED = "behind a fence"
MAX_BUILDS = 3
PATIENCE_SECONDS = 20 * TTL_SECONDS
REFUSALS = (LeaseHeldError, LeaseLostError, PromotionConflictError, NotFoundError, UnavailableError)
"""How a promotion may end that another one has overtaken; the last where its replay lost its way into the build."""


@dataclass(frozen=True)
class Event:
    """What happens before the `number`-th `call` of an operation, or before its `number`-th behind a fence."""

    call: str
    number: int
    what: str
    id: str


events = st.builds(
    Event,
    call=st.sampled_from(
        ["update_aliases", "update_aliases", "perform_request", "stats", "mget", "index", "get_alias"]
    ),
    number=st.integers(1, 6),
    what=st.sampled_from(["die", "sleep", "upsert", "delete", "promote", "promote late", "roll back late"]),
    id=st.sampled_from(IDS),
)
scripts = st.lists(events, max_size=3)
ids = st.sampled_from(IDS)
picks = st.integers(0, MAX_BUILDS - 1)


class OneAliasServer(MemoryServer):
    """A server that is looked at whenever aliases have moved."""

    def update_aliases(self, **request: Any) -> Any:
        answer = super().update_aliases(**request)
        live = [index for index, aliases in self.aliases.items() if NAME in aliases]
        opened = [index for index, aliases in self.aliases.items() if live_write_alias(index) in aliases]
        assert len(live) <= 1, f"{NAME} stands for {live}"
        assert opened in ([], live), f"{opened} can be written to, {live} is live"
        return answer


class LiveChanges(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.server, self.now = OneAliasServer(), 0.0
        self.builds: list[str] = []
        self.stale: StaleNode | None = None
        self.counter = itertools.count(FROM_SOURCE + 1)
        self.changes: dict[str, tuple[str, int | None]] = {}  # By key in the journal: id, and value or None.
        self.acknowledged: set[str] = set()
        self.patches = [
            mock.patch.multiple(leases, time=self, datetime=_Clock(self)),
            mock.patch.object(leases.Lease, "_beat", return_value=None),  # Nobody beats while another one is at it.
            mock.patch.object(live_writer, "time", self),
            mock.patch.object(replay, "time", self),
            mock.patch.object(journal, "_PAGE", 1),  # A replay may die between any two changes.
            mock.patch.object(promotion, "warm_up", return_value=0),
        ]
        for patch in self.patches:
            patch.start()

    def teardown(self) -> None:
        try:
            if self.builds:
                self.build()
                self.now += TTL_SECONDS + 1  # The lease of one that died.
                self._promote(MemoryLine(self.server), self.builds[-1])
                self.every_change_is_live(since=max(self._positions().values(), default=-1))
        finally:
            for patch in self.patches:
                patch.stop()

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    # What can be done. Each operation has a line of its own, on which a script may happen to it.

    @initialize()
    def two_were_live(self) -> None:
        for _ in range(2):
            self.build()
            self._promote(MemoryLine(self.server), self.builds[-1])
        self.a_node_is_cut_off(away=True)

    @precondition(lambda self: len(self.builds) < MAX_BUILDS)
    @rule()
    def build(self) -> None:
        """A run has loaded and verified a build of the source; it may be promoted when many changes came later."""
        build = f"b{len(self.builds)}"
        make_build(self.server, NAME, build, dict.fromkeys(IN_SOURCE, FROM_SOURCE))
        self.builds.append(build)

    @rule(id=ids, script=scripts)
    def upsert(self, id: str, script: list[Event]) -> None:
        self._with(script, lambda line: self._write(line, id, next(self.counter)), must_end=True)

    @rule(id=ids, script=scripts)
    def delete(self, id: str, script: list[Event]) -> None:
        self._with(script, lambda line: self._write(line, id, None), must_end=True)

    @rule(id=ids, deletes=st.booleans())
    def append_only(self, id: str, deletes: bool) -> None:
        """A writer dies between the journal and the build."""
        line, key = MemoryLine(self.server), f"change {next(self.counter)}"

        def die(_: str) -> None:
            line.dead = key in self._positions()

        line.before = die
        with pytest.raises(KilledError):
            self._write(line, id, None if deletes else next(self.counter), key)

    @rule(number=picks, script=scripts)
    def promote(self, number: int, script: list[Event]) -> None:
        build = self._other(number)
        self._with(script, lambda line: self._promote(line, build))

    @rule(number=picks, script=scripts)
    def promote_with_retry(self, number: int, script: list[Event]) -> None:
        """A task of a run, and its retry: the same move, wherever the first one died."""
        build, identity = self._other(number), f"run {next(self.counter)}"
        for each in (script, []):
            self._with(each, lambda line: self._promote(line, build, identity))

    @rule(script=scripts)
    def roll_back(self, script: list[Event]) -> None:
        self._with(script, self._roll_back)

    @rule(script=scripts)
    def replay_what_is_live(self, script: list[Event]) -> None:
        """The build that is live is verified again, as after dead letters; that begins where it became live."""
        live = self._live()
        assert live is not None
        self._with(script, lambda line: void(replay.replay_changes(Cluster(line), NAME, live)))  # type: ignore[arg-type]

    @rule(away=st.booleans())
    def a_node_is_cut_off(self, away: bool) -> None:
        """From now on the first node reads the journal as it is now, or as it is at any time again."""
        self.stale = StaleNode(self.server) if away else None

    @rule()
    def hours_pass(self) -> None:
        """What was deleted is forgotten by the builds, as `gc_deletes` says, but not by the journal."""
        self.server.forget_deletes()
        for key in self._positions():
            change = self.server.documents[CHANGES, key].source
            assert change is not None
            change["at"] = (datetime.fromisoformat(change["at"]) - timedelta(hours=2)).isoformat()

    def _with(self, script: list[Event], operation: Callable[[MemoryLine], None], *, must_end: bool = False) -> None:
        """Carry out an operation, with what a script says in between."""
        line, calls, happened = MemoryLine(self.server), Counter[str](), list[Event]()

        def before(name: str) -> None:
            self.every_change_is_live()  # For whoever searches in between.
            calls[name] += 1
            calls[FENCED] += self._fenced()
            for event in script:
                if event.call in (name, FENCED) and event not in happened and event.number == calls[event.call]:
                    happened.append(event)
                    self._happen(event, line)

        line.before, line.stale = before, self.stale
        try:
            operation(line)
        except KilledError:
            assert line.dead
        except REFUSALS:
            assert not must_end
        except AirlshError:
            assert line.dead

    def _happen(self, event: Event, line: MemoryLine) -> None:
        own = MemoryLine(self.server)
        if event.what == "sleep" or event.what.endswith(" late"):
            self.now += TTL_SECONDS + 1  # Who holds a lease here is thought dead.
        if event.what == "die":
            line.dead = True
        elif event.what == "upsert":
            self._write(own, event.id, next(self.counter))
        elif event.what == "delete":
            self._write(own, event.id, None)
        elif event.what != "sleep":
            with suppress(*REFUSALS):
                self._roll_back(own) if event.what == "roll back late" else self._promote(
                    own, self._other(event.number)
                )

    def _write(self, line: MemoryLine, id: str, value: int | None, key: str | None = None) -> None:
        """Write as a caller does; what returns is acknowledged."""
        writer = LiveWriter(Cluster(line), NAME, wait_seconds=PATIENCE_SECONDS)  # type: ignore[arg-type]
        key = key or f"change {next(self.counter)}"
        self.changes[key] = (id, value)
        if value is None:
            writer.apply(writer.journal.append([Change(id, "delete", key=key)]))
        else:
            writer.upsert([row(id, value)], key=lambda _: key)
        self.acknowledged.add(key)

    def _other(self, number: int) -> str:
        """Return a build that is not live, if there is one."""
        others = [build for build in self.builds if physical_index(NAME, build) != self._live()]
        return (others or self.builds)[number % len(others or self.builds)]

    def _promote(self, line: MemoryLine, build: str, identity: str | None = None) -> None:
        self._move(lambda services: promote_build(PromoteSettings(name=NAME, build=build), services), line, identity)

    def _roll_back(self, line: MemoryLine) -> None:
        self._move(lambda services: rollback(RollbackSettings(name=NAME), services), line)

    def _move(self, move: Callable[[Services], Any], line: MemoryLine, identity: str | None = None) -> None:
        """Move the name; all that was in the journal before is in what became live then, acknowledged or not."""
        since, before = max(self._positions().values(), default=-1), self._live()
        move(Services(line, None, Caller(identity, "a promotion")))  # type: ignore[arg-type]
        if self._live() != before:
            self.every_change_is_live(since=since)

    # The model: the journal in its order, and what the live build may hold.

    def _positions(self) -> dict[str, int]:
        found = {key: self.server.documents.get((CHANGES, key)) for key in self.changes}
        return {key: stored.seq_no for key, stored in found.items() if stored is not None}

    def _fenced(self) -> bool:
        fence = fence_alias(NAME, 0).removesuffix("0")
        return any(alias.startswith(fence) for aliases in self.server.aliases.values() for alias in aliases)

    def _live(self) -> str | None:
        return next((index for index, aliases in self.server.aliases.items() if NAME in aliases), None)

    @invariant()
    def every_change_is_live(self, since: int = -1) -> None:
        """Each id holds its last acknowledged change (or the last one up to `since`), or one that is later still."""
        live = self._live()
        if live is None:
            return
        positions = self._positions()
        assert self.acknowledged <= set(positions), "an acknowledged change is not in the journal"
        for id in IDS:
            own = sorted((positions[key], key) for key in positions if self.changes[key][0] == id)
            sure = [place for place, (at, key) in enumerate(own) if key in self.acknowledged or at <= since]
            allowed = [self.changes[key][1] for _, key in own[sure[-1] if sure else 0 :]]
            if not sure:
                allowed.append(FROM_SOURCE if id in IN_SOURCE else None)
            stored = self.server.documents.get((live, id))
            value = stored.source["value"] if stored is not None and stored.source is not None else None
            assert value in allowed, f"{id} is {value} in {live}; the journal allows {allowed}"

    @invariant()
    def no_build_was_made_by_the_way(self) -> None:
        made = {physical_index(NAME, build) for build in self.builds}
        assert {index for index in self.server.aliases if index.startswith(f"airlsh-{NAME}")} == made


def void(_: object) -> None:
    """Let go of a value, where nothing is to be returned."""


class _Clock:
    """Stands for ``datetime`` in the leases, with the machine's time."""

    fromisoformat = staticmethod(datetime.fromisoformat)

    def __init__(self, machine: LiveChanges) -> None:
        self._machine = machine

    def now(self, zone: Any = UTC) -> datetime:
        return datetime(2026, 1, 1, tzinfo=zone) + timedelta(seconds=self._machine.now)


TestLiveChanges = LiveChanges.TestCase
TestLiveChanges.settings = settings(max_examples=40, stateful_step_count=12, deadline=None)
