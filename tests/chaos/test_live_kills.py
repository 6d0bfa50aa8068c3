"""Live changes all through a reindex, a rollback and a promotion, of which one is killed, and a writer as well.

What is compared at the end is every document: an answered change is there and no later than itself, one that was
not answered may be there or not, and every other row of the source is as it was.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lsh_core.builds.names import live_write_alias
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.connection import Connection
from lsh_core.elastic.leases import ALIAS
from lsh_core.jobs.index import run_index
from lsh_core.jobs.services import Services
from lsh_core.jobs.train import train
from lsh_core.local.cluster import ElasticsearchCluster
from lsh_core.local.dask_cluster import DaskCluster
from lsh_core.settings import IndexSettings, TrainSettings
from tests.chaos.change_process import WRITERS, ChangeProcess
from tests.chaos.commands import END_SECONDS, POLL_SECONDS, Command
from tests.chaos.contents import builds_of, every_hit, index_behind
from tests.fakes.lease_holders import holder_of
from tests.fakes.parquet_sources import clustered, write_source

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

ROWS, DIMS = 2_000, 8
MOVES = ("index", "rollback", "promote")
MAX_DELAY_SECONDS = 0.1


class Changed:
    """A name whose first build is live, and the writers that change it."""

    def __init__(self, seed: int, folder: Path, node: ElasticsearchCluster, dask: DaskCluster) -> None:
        self.name, self.random, self.folder = f"changed-{seed}", random.Random(f"changed {seed}"), folder
        self._urls, self._dask, self._seed = node.urls, dask.address, seed
        self.connection = Connection(node.urls)
        self.client: Elasticsearch = self.connection.client()
        self.source = write_source(
            folder / "rows.parquet",
            [f"r{row}" for row in range(ROWS)],
            clustered(ROWS, DIMS, seed=seed),
            mark=list(range(ROWS)),
        )
        services = Services(self.connection, dask.address)
        train(TrainSettings(name=self.name, source=self.source, metric="l2"), services)
        self.first = str(
            run_index(IndexSettings(name=self.name, source=self.source, recall_queries=40), services).index
        )
        # The second build is hashed by another model: a change that is not hashed anew could not be found in it.
        train(TrainSettings(name=self.name, source=self.source, metric="l2", seed=1), services)
        self._commands: list[Command] = []
        self._past: list[ChangeProcess] = []
        self._present: list[ChangeProcess] = []

    def command(self, *arguments: str, dask: bool = False) -> Command:
        """Start an `airlsh` command."""
        servers = ["--es", ",".join(self._urls), *(["--dask", self._dask] if dask else [])]
        self._commands.append(Command(self.folder / "commands", *arguments, *servers))
        return self._commands[-1]

    def start_writers(self) -> None:
        """Start all writers."""
        self._present = [self._writer(number) for number in range(WRITERS)]

    def _writer(self, number: int) -> ChangeProcess:
        return ChangeProcess(self.folder / "changes", self._urls[0], self.name, number, self._seed)

    def kill_a_writer(self) -> None:
        """Kill one in the middle of whatever it does, and start another with the same ids."""
        number = self.random.randrange(WRITERS)
        assert self._present[number].kill(), f"seed {self._seed}: writer {number} had ended before"
        self._past.append(self._present[number])
        self._present[number] = self._writer(number)
        # One that is ended before it has begun would not know how to end.
        wait_until(lambda: self._present[number].has_begun)

    def end_writers(self) -> None:
        """Let all writers end."""
        for writer in self._present:
            writer.end()

    def possible(self) -> tuple[dict[str, set[int | None]], int]:
        """Return which marks the document of each id may bear, None for no document; and the number of answers."""
        found: dict[str, set[int | None]] = {f"r{row}": {row} for row in range(ROWS)}
        answered = 0
        for writer in (*self._past, *self._present):
            for identity, mark, is_answered in writer.notes():
                found[identity] = {mark} if is_answered else found.get(identity, {None}) | {mark}
                answered += is_answered
        return found, answered

    def close(self) -> None:
        """End what a failed test left, and delete what was loaded."""
        for process in (*self._commands, *self._past, *self._present):
            process.kill()
        self.client.indices.delete(index=list(self.client.indices.get(index=f"airlsh-{self.name}-*")))


@pytest.fixture
def changed(seed: int, tmp_path: Path, chaos_nodes: ElasticsearchCluster, chaos_dask: DaskCluster) -> Iterator[Changed]:
    """A name of its own for each seed."""
    made = Changed(seed, tmp_path, chaos_nodes, chaos_dask)
    yield made
    made.close()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + END_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(POLL_SECONDS)


def kill_in_its_move(changed: Changed, command: Command) -> str:
    """Kill a command once it holds the alias, keeps writers waiting, or has moved the alias; return which.

    It may be quicker than the kill, and be over.
    """
    client, name, before = changed.client, changed.name, index_behind(changed.client, changed.name)

    def holds() -> bool:
        holder = holder_of(Cluster(changed.connection), name, ALIAS)
        return holder is not None and holder.holder.endswith(f"process {command.pid}")

    moments: dict[str, Callable[[], bool]] = {
        "holds the lease": holds,
        "keeps writers waiting": lambda: not client.indices.exists_alias(name=live_write_alias(before)),
        "has moved the alias": lambda: index_behind(client, name) != before,
    }
    moment = changed.random.choice(sorted(moments))
    wait_until(lambda: not command.runs or moments[moment]())
    time.sleep(changed.random.uniform(0, MAX_DELAY_SECONDS))  # The moment is what is random here.
    return moment if command.kill() else "is over"


def assert_possible(changed: Changed, index: str, possible: dict[str, set[int | None]], seed: int) -> None:
    """Compare every document of `index` with what it may be."""
    held = {
        hit["_id"]: hit["fields"]["mark"][0]
        for hit in every_hit(changed.client, index, "mark", source=False, docvalue_fields=["mark"])
    }
    wrong = {each: (held.get(each), marks) for each, marks in possible.items() if held.get(each) not in marks}
    assert not wrong, f"seed {seed}: {len(wrong)} ids of {index} are wrong, such as {list(wrong.items())[:5]}"
    foreign = held.keys() - possible.keys()
    assert not foreign, f"seed {seed}: {len(foreign)} ids of {index} are nobody's, such as {sorted(foreign)[:5]}"


def test_no_change_is_lost_and_no_deletion_undone(changed: Changed, seed: int) -> None:
    name, victim = changed.name, MOVES[seed % len(MOVES)]
    changed.start_writers()

    def move(kind: str, start: Callable[[], Command], again: Callable[[], Command], goal: Callable[[], str]) -> None:
        command = start()
        if kind == victim:
            state = kill_in_its_move(changed, command)
            changed.kill_a_writer()
            # It may have moved the alias, and been killed before it could say so.
            moved = index_behind(changed.client, name) == goal()
            print(f"seed {seed}: {kind} killed when it {state}; {'moved' if moved else 'not moved'}")
            if moved:
                return
            command = again()
        command.report()
        assert index_behind(changed.client, name) == goal(), f"seed {seed}: {kind}"

    def second() -> str:
        return f"airlsh-{name}-{builds_of(changed.client, name)[-1]}"

    def index(*arguments: str) -> Command:
        return changed.command("index", name, *arguments, "--recall-queries", "40", dask=True)

    def roll_back() -> Command:
        return changed.command("builds", "rollback", name)

    def promote() -> Command:
        return changed.command("builds", "promote", name, "--build", builds_of(changed.client, name)[-1])

    def resume() -> Command:
        return index("--resume", builds_of(changed.client, name)[-1])

    move("index", lambda: index("--source", changed.source), resume, second)
    move("rollback", roll_back, roll_back, lambda: changed.first)
    move("promote", promote, promote, second)
    changed.end_writers()

    possible, answered = changed.possible()
    assert answered >= 10 * WRITERS
    assert_possible(changed, second(), possible, seed)
    roll_back().report()
    assert index_behind(changed.client, name) == changed.first
    assert_possible(changed, changed.first, possible, seed)
    print(f"seed {seed}: {answered} answered changes")
