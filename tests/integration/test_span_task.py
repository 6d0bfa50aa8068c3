"""A span of chunks on a real node, as a Dask worker runs it: in this process, so that each call can be looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lsh_core.elastic.connection import Connection
from lsh_core.jobs.dask.span_task import SpanTask, load_span
from lsh_core.jobs.index import run_index
from lsh_core.jobs.services import Services
from lsh_core.jobs.stages.load import ledger_key
from lsh_core.jobs.stages.plan import read_plan
from lsh_core.jobs.train import train
from lsh_core.settings import IndexSettings, TrainSettings
from lsh_core.sources.source_file import Span
from tests.fakes.parquet_sources import clustered, write_source

ROWS = 2_000


@pytest.fixture(scope="module")
def services(one_node: Any, dask_cluster: Any) -> Services:
    return Services(Connection(tuple(one_node.urls)), dask_cluster.address)


def test_a_span_that_runs_again_counts_what_is_done_and_sends_nothing(services: Services, tmp_path: Path) -> None:
    source = write_source(tmp_path / "rows.parquet", list(range(ROWS)), clustered(ROWS, 16))
    train(TrainSettings(name="again", source=source, metric="l2"), services)
    settings = IndexSettings(name="again", source=source, chunk_rows=500, promote=False)
    build = run_index(settings, services).build
    plan = read_plan(settings, build, services)
    client = services.connection.client()
    ledger = {"index": "airlsh-ledger", "query": {"term": {"build": build}}}
    client.indices.refresh(index="airlsh-ledger")
    before = client.search(**ledger, size=100, seq_no_primary_term=True, sort="chunk")["hits"]["hits"]
    span = SpanTask(
        cluster=services.cluster,
        name=settings.name,
        index=plan.index,
        epoch=1_000_000,  # Never opened: any request of the loader would be refused, and raise.
        plan=plan.load_plan(settings, build, services.connection.urls),
        key=ledger_key(services.cluster, plan, build),
        span=Span(plan.files[0], tuple(plan.chunks())),
        wait_seconds=30,
        queries="",
    )

    rows = load_span(span)

    assert rows == ROWS
    assert len(before) == 4
    client.indices.refresh(index="airlsh-ledger")
    after = client.search(**ledger, size=100, seq_no_primary_term=True, sort="chunk")["hits"]["hits"]
    assert [entry["_seq_no"] for entry in after] == [entry["_seq_no"] for entry in before]
