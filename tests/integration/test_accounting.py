"""Every row is accounted for, on a real node: repeated ids, repeated loads, refused rows and their replay."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lsh_core.elastic.connection import Connection
from lsh_core.errors import SourceChangedError, StoppedEarlyError
from lsh_core.indexing.aliases import live_index
from lsh_core.indexing.ledger import ledger_totals
from lsh_core.jobs import index as stages
from lsh_core.jobs.builds import build_dead_letters
from lsh_core.jobs.index import run_index
from lsh_core.jobs.services import Services
from lsh_core.jobs.train import train
from lsh_core.settings import IndexSettings, TrainSettings
from tests.integration.made_sources import clustered, write_source

ROWS, FILES, DIMS = 30_000, 3, 8


@pytest.fixture(scope="module")
def services(one_node: Any, dask_cluster: Any) -> Services:
    return Services(Connection(tuple(one_node.urls)), dask_cluster.address)


def held_rows(services: Services, index: str) -> dict[str, int]:
    """Return ``airlsh.row`` of every document, by id."""
    client = services.connection.client()
    client.indices.refresh(index=index)
    held: dict[str, int] = {}
    for hits in _pages(client, index):
        held.update({hit["_id"]: hit["_source"]["airlsh"]["row"] for hit in hits})
    return held


def _pages(client: Any, index: str) -> Iterator[list[dict[str, Any]]]:
    after: dict[str, Any] = {}
    while True:
        answer = client.search(index=index, size=10_000, sort=[{"airlsh.row": "asc"}], source=["airlsh.row"], **after)
        hits = answer["hits"]["hits"]
        if not hits:
            return
        yield hits
        after = {"search_after": hits[-1]["sort"]}


def test_repeated_ids_loaded_twice_and_resumed_once(services: Services, tmp_path: Path) -> None:
    generator = np.random.default_rng(11)
    numbers = np.concatenate([np.arange(ROWS * 4 // 5), generator.integers(ROWS * 4 // 5, size=ROWS // 5)])
    generator.shuffle(numbers)
    ids = [f"id-{number}" for number in numbers.tolist()]
    vectors = clustered(ROWS, DIMS)
    folder = tmp_path / "repeated"
    folder.mkdir()
    share = ROWS // FILES
    for part in range(FILES):
        rows = slice(part * share, (part + 1) * share)
        write_source(folder / f"{part}.parquet", ids[rows], vectors[rows], row_group=3_000)
    winners = {identity: place for place, identity in enumerate(ids)}  # The last one stays.
    assert len(winners) == ROWS * 4 // 5
    name, build = "counted", "counted-1"
    settings = IndexSettings(name=name, source=str(folder), chunk_rows=700, recall_queries=20)
    train(TrainSettings(name=name, source=str(folder), metric="l2", lists=32, sample=5_000), services)

    for stage in (stages.check, stages.plan, stages.create):
        stage(settings, build, services)
    away = tmp_path / "2.parquet"
    (folder / "2.parquet").rename(away)
    with pytest.raises(SourceChangedError, match=r"2\.parquet"):
        stages.load(settings, build, services)
    away.rename(folder / "2.parquet")
    client = services.connection.client()
    before, _ = ledger_totals(client, build)
    assert before < ROWS

    report = run_index(settings, services, build)

    def check_report(report: dict[str, Any]) -> None:
        assert report["rows_read"] == ROWS
        assert report["accepted"] == report["documents"] == len(winners)
        assert report["repeated"] == ROWS - len(winners)
        assert report["dead_lettered"] == report["replaced"] == 0
        assert held_rows(services, report["index"]) == winners

    check_report(report)
    assert report["skipped"] >= before

    # Once more, as if no loader had lived to write its entries: every row is sent to where it is already.
    hits = client.search(index="airlsh-ledger", query={"term": {"build": build}}, source=False, size=1_000)
    entries = [hit["_id"] for hit in hits["hits"]["hits"]]
    client.bulk(index="airlsh-ledger", operations=[{"delete": {"_id": entry}} for entry in entries], refresh=True)
    again = run_index(settings, services, build)
    check_report(again)
    assert again["skipped"] == 0


def test_a_load_that_refuses_too_much_stops_early(services: Services, tmp_path: Path) -> None:
    rows = 12_000
    vectors = clustered(rows, DIMS)
    good = write_source(tmp_path / "good.parquet", list(range(500)), vectors[:500])
    vectors[::2] = 0
    source = write_source(tmp_path / "bad.parquet", list(range(rows)), vectors)
    train(TrainSettings(name="stopped", source=good, metric="cosine"), services)
    settings = IndexSettings(name="stopped", source=source, chunk_rows=100, stop_dead_letters=300)
    build = "stopped-1"
    with pytest.raises(StoppedEarlyError, match=r"of the first \d+ rows \d+ were refused") as stopped:
        run_index(settings, services, build)
    assert 300 < stopped.value.dead_lettered < rows // 2
    assert stopped.value.dead_lettered * 2 == stopped.value.loaded
    assert "zero_vector" in str(stopped.value)
    assert live_index(services.connection.client(), "stopped") is None
    letters = build_dead_letters("stopped", build, services)
    assert {letter.error for letter in letters} == {"zero_vector"}

    report = run_index(settings.model_copy(update={"max_dead_letters": rows}), services, build)
    assert (report["accepted"], report["dead_lettered"]) == (rows // 2, rows // 2)
    assert 0 < report["skipped"] < rows
