"""Three nodes, a name with a source and a model, and commands that load it while a node is in trouble."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lsh_core.elastic.connection import Connection
from lsh_core.jobs.services import Services
from lsh_core.jobs.train import train
from lsh_core.local.cluster import ElasticsearchCluster
from lsh_core.local.dask_cluster import DaskCluster
from lsh_core.settings import TrainSettings
from tests.chaos.commands import END_SECONDS, POLL_SECONDS, Command, wait_for_chunks
from tests.chaos.contents import RUNS, assert_holds_source, index_behind
from tests.chaos.source_model import SourceModel, make_source

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

ROWS, DIMS, CHUNK_ROWS = 12_000, 16, 100
SHARDS = 3
_ELSEWHERE = "cluster.routing.allocation.exclude._name"


class NodeArena:
    """A name to load on three nodes, one of which is the victim."""

    def __init__(self, name: str, folder: Path, nodes: ElasticsearchCluster, dask: DaskCluster) -> None:
        self.name, self.nodes, self.dask = name, nodes, dask
        self.connection = Connection(nodes.urls)
        self.seed = random.SystemRandom().randrange(10**6)
        self._folder = folder
        self._started: list[Command] = []
        self.model: SourceModel = make_source(folder / "source", rows=ROWS, dims=DIMS, seed=self.seed, bad=0)
        settings = TrainSettings(name=name, source=str(folder / "source"), metric="l2", sample=2_000)
        train(settings, Services(self.connection, dask.address))
        self.wait_until_whole()

    def wait_until_whole(self) -> None:
        """Wait until every copy of every shard is there: one trouble at a time."""
        client = self.connection.client(0).options(request_timeout=100)
        client.cluster.health(wait_for_status="green", wait_for_nodes=3, timeout="90s")

    def master(self) -> int:
        """Return the number of the elected master."""
        name = next(iter(self.connection.client(0).cat.master(format="json")))["node"]
        return next(number for number, node in enumerate(self.nodes.nodes) if node.settings.name == name)

    def plain(self) -> int:
        """Return the number of a node that is not the master."""
        return (self.master() + 1) % 3

    def client(self, victim: int) -> Elasticsearch:
        """Return the client of a node that is not the victim."""
        return self.connection.client((victim + 1) % 3)

    def index(self, *options: str) -> Command:
        """Start a run."""
        shape = ["--shards", str(SHARDS), "--chunk-rows", str(CHUNK_ROWS), "--request-bytes", "8192"]
        servers = ["--es", ",".join(self.nodes.urls), "--dask", self.dask.address]
        source = str(self._folder / "source")
        command = Command(self._folder / "commands", "index", self.name, "--source", source, *shape, *options, *servers)
        self._started.append(command)
        return command

    def in_the_middle(self, command: Command, victim: int) -> str:
        """Wait until some chunks are loaded; return the build."""
        return wait_for_chunks(self.client(victim), self.name, random.randint(5, 40), lambda: command.runs)

    def wait_for_stage(self, command: Command, build: str, stage: str, victim: int) -> None:
        """Wait until the run has ended `stage`, and so has begun the next one."""
        deadline = time.monotonic() + END_SECONDS
        while stage not in self.client(victim).get(index=RUNS, id=build)["_source"].get("stages", {}):
            assert command.runs, f"it ended before {stage} did: {command.said[-2000:]}"
            assert time.monotonic() < deadline
            time.sleep(POLL_SECONDS)

    @contextmanager
    def no_shards_on(self, victim: int) -> Iterator[None]:
        """Keep all shards away from a node."""
        client = self.client(victim)
        client.cluster.put_settings(persistent={_ELSEWHERE: self.nodes.nodes[victim].settings.name})
        client.options(request_timeout=100).cluster.health(wait_for_no_relocating_shards=True, timeout="90s")
        yield
        client.cluster.put_settings(persistent={_ELSEWHERE: None})

    def assert_exact(self, report: dict[str, Any], victim: int) -> None:
        """The alias leads to exactly the source's rows, and the report says so.

        The victim is not asked: one that hung says for a while what was so before.
        """
        client = self.client(victim)
        index = index_behind(client, self.name)
        assert report["promoted"]
        assert index == report["index"]
        assert_holds_source(client, index, self.model, seed=self.seed)
        counts = {key: report[key] for key in ("rows_read", "accepted", "repeated", "dead_lettered", "documents")}
        winners = len(self.model.winners)
        assert counts == {
            "rows_read": ROWS,
            "accepted": winners,
            "repeated": self.model.repeated,
            "dead_lettered": 0,
            "documents": winners,
        }

    def close(self) -> None:
        """End what a failed test left, and delete what was loaded."""
        for command in self._started:
            command.kill()
        client = self.connection.client(0)
        names = list(client.indices.get(index=f"airlsh-{self.name}-*", expand_wildcards="all"))
        if names:
            client.indices.delete(index=names)


def story_of(report: dict[str, Any], url: str) -> dict[str, Any]:
    """Return what a report tells of one node."""
    return next(story for story in report["nodes"] if story["node"] == url)
