"""SIGKILL at random moments, then resume: the index ends with the source's rows, and nothing done is done again."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lsh_core.elastic.connection import Connection
from lsh_core.jobs.services import Services
from lsh_core.jobs.train import train
from lsh_core.local.cluster import ElasticsearchCluster
from lsh_core.local.dask_cluster import DaskCluster
from lsh_core.settings import TrainSettings
from tests.chaos.commands import Command, wait_for_chunks
from tests.chaos.contents import (
    assert_holds_source,
    assert_ledger_is_covered,
    assert_not_sent_again,
    index_behind,
    read_documents,
    read_ledger,
)
from tests.chaos.source_model import SourceModel, make_source

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

ROWS, DIMS, CHUNK_ROWS, BAD = 12_000, 16, 100, 7
LATEST_KILL = 90  # Of some 120 chunks: the load must still be on when the kill comes.
LONGEST_DELAY_SECONDS = 0.2


class Arena:
    """A name with a trained model and a source, and the commands that load it."""

    def __init__(self, name: str, seed: int, folder: Path, node: ElasticsearchCluster, dask: DaskCluster) -> None:
        self.name, self.seed, self.node, self.dask = name, seed, node, dask
        self.random = random.Random(f"{name} {seed}")
        self.connection = Connection(node.urls)
        self._folder = folder
        self._started: list[Command] = []
        self.model: SourceModel = make_source(folder / "source", rows=ROWS, dims=DIMS, seed=seed, bad=BAD)
        settings = TrainSettings(name=name, source=str(folder / "source"), metric="l2", sample=2_000)
        train(settings, Services(self.connection, dask.address))

    @property
    def client(self) -> Elasticsearch:
        """The node's client."""
        return self.connection.client()

    def index(self) -> Command:
        """Start a run."""
        options = ["--chunk-rows", str(CHUNK_ROWS), "--max-dead-letters", str(BAD)]
        return self._command("index", self.name, "--source", str(self._folder / "source"), *options)

    def resume(self, build: str) -> Command:
        """Go on with a build."""
        return self._command("index", self.name, "--resume", build)

    def _command(self, *arguments: str) -> Command:
        servers = ["--es", ",".join(self.node.urls), "--dask", self.dask.address]
        command = Command(self._folder / "commands", *arguments, *servers)
        self._started.append(command)
        return command

    def wait_for_a_random_moment(self, command: Command, *, least: int = 0) -> str:
        """Wait for a number of chunks that the seed says, and a little longer; return the build."""
        chunks = self.random.randint(least, LATEST_KILL)
        build = wait_for_chunks(self.client, self.name, chunks, lambda: command.runs)
        time.sleep(self.random.uniform(0, LONGEST_DELAY_SECONDS))  # The moment is what is random here.
        return build

    def documents(self, build: str) -> dict[str, Any]:
        """Return what the index of `build` holds; nothing where it is not made yet."""
        index = f"airlsh-{self.name}-{build}"
        return dict(read_documents(self.client, index)) if self.client.indices.exists(index=index) else {}

    def assert_exact(self, report: dict[str, Any]) -> None:
        """The alias leads to exactly the source's rows, and the report says so."""
        index = index_behind(self.client, self.name)
        assert index == report["index"]
        assert_holds_source(self.client, index, self.model, seed=self.seed)
        counts = {key: report[key] for key in ("rows_read", "accepted", "repeated", "dead_lettered", "documents")}
        winners = len(self.model.winners)
        assert counts == {
            "rows_read": ROWS,
            "accepted": winners,
            "repeated": self.model.repeated,
            "dead_lettered": self.model.bad,
            "documents": winners,
        }, f"seed {self.seed}"

    def close(self) -> None:
        """End the commands that a failed test left, and delete what was loaded."""
        for command in self._started:
            command.kill()
        names = list(self.client.indices.get(index=f"airlsh-{self.name}-*", expand_wildcards="all"))
        if names:
            self.client.indices.delete(index=names)


@pytest.fixture
def arena(
    request: pytest.FixtureRequest, seed: int, tmp_path: Path, chaos_node: ElasticsearchCluster, chaos_dask: DaskCluster
) -> Iterator[Arena]:
    """A new name for the test and its seed."""
    name = request.function.__name__.removeprefix("test_").replace("_", "-")[:40]
    made = Arena(f"{name}-{seed}", seed, tmp_path, chaos_node, chaos_dask)
    yield made
    made.close()


def test_killed_command_is_resumed(arena: Arena, seed: int) -> None:
    command = arena.index()
    build = arena.wait_for_a_random_moment(command)
    assert command.kill(), f"seed {seed}: the run was over before the kill"
    entries, documents = read_ledger(arena.client, build), arena.documents(build)

    report = arena.resume(build).report()

    assert report["build"] == build
    arena.assert_exact(report)
    assert_not_sent_again(arena.client, report["index"], build, entries, documents, seed=seed)


def test_killed_worker_is_replaced(arena: Arena, seed: int) -> None:
    command = arena.index()
    build = arena.wait_for_a_random_moment(command)
    arena.dask.kill_worker(arena.random.randrange(2))
    assert command.runs, f"seed {seed}: the run was over before the kill"
    entries, documents = read_ledger(arena.client, build), arena.documents(build)

    report = command.report()

    arena.assert_exact(report)
    assert_not_sent_again(arena.client, report["index"], build, entries, documents, seed=seed)


def test_killed_scheduler_is_restarted(arena: Arena, seed: int) -> None:
    command = arena.index()
    build = arena.wait_for_a_random_moment(command)
    arena.dask.kill_scheduler()
    assert command.runs, f"seed {seed}: the run was over before the kill"
    entries, documents = read_ledger(arena.client, build), arena.documents(build)
    arena.dask.restart()

    # The run itself may find the new scheduler in time; if it does not, it fails and is gone on with.
    report = command.report() if command.wait() == 0 else arena.resume(build).report()

    assert report["build"] == build
    arena.assert_exact(report)
    assert_not_sent_again(arena.client, report["index"], build, entries, documents, seed=seed)


def test_acknowledged_chunks_survive_their_node(arena: Arena, seed: int) -> None:
    command = arena.index()
    build = arena.wait_for_a_random_moment(command, least=1)
    entries = read_ledger(arena.client, build)
    arena.node.kill_node(0)
    assert command.kill(), f"seed {seed}: the run was over before the kill"
    arena.node.restart_node(0)

    index = f"airlsh-{arena.name}-{build}"
    assert assert_ledger_is_covered(arena.client, index, build, arena.model, seed=seed) >= len(entries) >= 1
    report = arena.resume(build).report()

    arena.assert_exact(report)
    assert_not_sent_again(arena.client, index, build, entries, {}, seed=seed)


def test_two_runs_at_once_one_goes_on(arena: Arena, seed: int) -> None:
    rivals = [arena.index(), arena.index()]

    codes = [rival.wait() for rival in rivals]

    assert sorted(code == 0 for code in codes) == [False, True], f"seed {seed}: {[rival.said for rival in rivals]}"
    winner, loser = sorted(rivals, key=lambda rival: rival.wait() != 0)
    assert f"process {winner.pid}" in loser.said
    arena.assert_exact(winner.report())
