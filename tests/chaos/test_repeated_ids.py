"""Three hundred thousand rows, a fifth of them with another row's id: resumed once and loaded twice, winners exact.

Of the long form alone; ``tests/integration/test_accounting.py`` does the same with a tenth of the rows.
"""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from lsh_core.elastic.connection import Connection
from lsh_core.jobs.services import Services
from lsh_core.jobs.train import train
from lsh_core.local.cluster import ElasticsearchCluster
from lsh_core.local.dask_cluster import DaskCluster
from lsh_core.settings import TrainSettings
from tests.chaos.commands import Command, wait_for_chunks
from tests.chaos.conftest import SEED
from tests.chaos.contents import (
    LEDGER,
    assert_holds_source,
    assert_not_sent_again,
    index_behind,
    read_documents,
    read_ledger,
)
from tests.chaos.source_model import read_source
from tests.fakes.parquet_sources import clustered, write_source

ROWS, FILES, DIMS, CHUNK_ROWS = 300_000, 7, 8, 2_500
DISTINCT = ROWS * 4 // 5
NAME = "repeated-ids"
pytestmark = pytest.mark.timeout(1_800)


def test_winners_and_counts_are_exact(
    chaos_nodes: ElasticsearchCluster, chaos_dask: DaskCluster, tmp_path: Path
) -> None:
    generator = np.random.default_rng(SEED)
    numbers = np.concatenate([np.arange(DISTINCT), generator.integers(DISTINCT, size=ROWS - DISTINCT)])
    generator.shuffle(numbers)
    vectors = clustered(ROWS, DIMS, seed=SEED)
    folder = tmp_path / "source"
    folder.mkdir()
    for part, share in enumerate(np.array_split(np.arange(ROWS), FILES)):
        rows = slice(int(share[0]), int(share[-1]) + 1)
        ids = [f"id-{number}" for number in numbers[rows]]
        write_source(folder / f"part-{part}.parquet", ids, vectors[rows], row_group=9_000 + 1_000 * part)
    model = read_source(folder, DIMS)
    assert (len(model.winners), model.repeated) == (DISTINCT, ROWS - DISTINCT)
    connection = Connection(chaos_nodes.urls)
    client = connection.client()
    services = Services(connection, chaos_dask.address)
    train(TrainSettings(name=NAME, source=str(folder), metric="l2", lists=64, sample=5_000), services)
    servers = ["--es", ",".join(chaos_nodes.urls), "--dask", chaos_dask.address]

    def index(*arguments: str) -> Command:
        return Command(tmp_path / "commands", "index", NAME, *arguments, *servers)

    def check(report: dict[str, int]) -> None:
        assert index_behind(client, NAME) == report["index"]
        assert_holds_source(client, str(report["index"]), model, seed=SEED)
        assert report["rows_read"] == ROWS
        assert report["accepted"] == report["documents"] == DISTINCT
        assert report["repeated"] == ROWS - DISTINCT
        assert report["dead_lettered"] == report["replaced"] == 0

    command = index("--source", str(folder), "--chunk-rows", str(CHUNK_ROWS))
    moment = random.Random(SEED).randint(5, ROWS // CHUNK_ROWS // 2)
    build = wait_for_chunks(client, NAME, moment, lambda: command.runs)
    assert command.kill()
    entries, documents = read_ledger(client, build), read_documents(client, f"airlsh-{NAME}-{build}")
    report = index("--resume", build).report()
    check(report)
    assert_not_sent_again(client, report["index"], build, entries, documents, seed=SEED)

    # As if no loader had lived to write its entries: every row is sent to where it is already.
    deletions = [{"delete": {"_id": entry}} for entry in read_ledger(client, build)]
    client.bulk(index=LEDGER, operations=deletions, refresh=True)
    assert not read_ledger(client, build)
    again = index("--resume", build).report()
    check(again)
    assert again["skipped"] == 0
