"""A name with a model and a source, the commands that load it, and the comparison of what came of it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lsh_core.elastic.connection import Connection
from lsh_core.jobs.services import Services
from lsh_core.jobs.train import train
from lsh_core.local.cluster import ElasticsearchCluster
from lsh_core.local.dask_cluster import DaskCluster
from lsh_core.settings import TrainSettings
from tests.chaos.commands import Command, wait_for_chunks
from tests.chaos.contents import assert_holds_source, index_behind, read_documents
from tests.chaos.source_model import SourceModel, make_source

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

ROWS, DIMS, CHUNK_ROWS, BAD = 12_000, 16, 100, 7
LOADERS = 2  # Dask workers, of one thread each.
LATEST_KILL = 90  # Of some 120 chunks: the load must still be on when the kill comes.
MAX_DELAY_SECONDS = 0.2


class Arena:
    """A name with a trained model and a source, and the commands that load it."""

    def __init__(self, name: str, seed: int, folder: Path, nodes: ElasticsearchCluster, dask: DaskCluster) -> None:
        self.name, self.seed, self.nodes, self.dask = name, seed, nodes, dask
        self.random = random.Random(f"{name} {seed}")
        self.connection = Connection(nodes.urls)
        self.source = folder / "source"
        self._folder = folder
        self._started: list[Command] = []
        self.model: SourceModel = make_source(self.source, rows=ROWS, dims=DIMS, seed=seed, bad=BAD)
        settings = TrainSettings(name=name, source=str(self.source), metric="l2", sample=2_000)
        train(settings, Services(self.connection, dask.address))
        # One trouble at a time: what an earlier test killed has to be whole again.
        self.client.options(request_timeout=100).cluster.health(wait_for_no_initializing_shards=True, timeout="90s")

    @property
    def client(self) -> Elasticsearch:
        """The first node's client."""
        return self.connection.client()

    def index(self, *more: str) -> Command:
        """Start a run."""
        options = ["--chunk-rows", str(CHUNK_ROWS), "--max-dead-letters", str(BAD), *more]
        return self._command("index", self.name, "--source", str(self.source), *options)

    def resume(self, build: str) -> Command:
        """Go on with a build."""
        return self._command("index", self.name, "--resume", build)

    def _command(self, *arguments: str) -> Command:
        servers = ["--es", ",".join(self.nodes.urls), "--dask", self.dask.address]
        command = Command(self._folder / "commands", *arguments, *servers)
        self._started.append(command)
        return command

    def wait_for_a_random_moment(
        self, running: Callable[[], bool], minimum: int = 0, maximum: int = LATEST_KILL
    ) -> str:
        """Wait for a number of chunks that the seed says, and a little longer; return the build."""
        chunks = self.random.randint(minimum, maximum)
        build = wait_for_chunks(self.client, self.name, chunks, running)
        time.sleep(self.random.uniform(0, MAX_DELAY_SECONDS))  # The moment is what is random here.
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
