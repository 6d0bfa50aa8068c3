"""Delta and Iceberg tables that move on while they are indexed, refreshed and corrected, on a real node."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from lsh_core.builds.records import BuildRecords
from lsh_core.elastic.connection import Connection
from lsh_core.jobs import index as stages
from lsh_core.jobs import refresh as refreshing
from lsh_core.jobs.index import run_index
from lsh_core.jobs.index_report_lines import report_lines
from lsh_core.jobs.refresh import refresh_partition
from lsh_core.jobs.services import Services
from lsh_core.jobs.train import train
from lsh_core.settings import IndexSettings, RefreshSettings, TrainSettings
from tests.fakes.parquet_sources import clustered

DAY, NEXT = dt.date(2024, 5, 1), dt.date(2024, 5, 2)


@pytest.fixture(scope="module")
def services(one_node: Any, dask_cluster: Any) -> Services:
    return Services(Connection(tuple(one_node.urls)), dask_cluster.address)


def rows(first: int, count: int, day: dt.date) -> pa.Table:
    vectors: npt.NDArray[np.float32] = clustered(count, 8, seed=first)
    ids = [f"r{row}" for row in range(first, first + count)]
    return pa.table(
        {"id": ids, "embedding": pa.array(list(vectors), pa.list_(pa.float32())), "day": pa.array([day] * count)}
    )


def held(services: Services, name: str) -> dict[str, str]:
    client = services.connection.client()
    client.indices.refresh(index=name)
    hits = client.search(index=name, size=2_000, source=["day"])["hits"]["hits"]
    return {hit["_id"]: hit["_source"]["day"] for hit in hits}


def test_a_run_reads_the_version_that_it_began_with(services: Services, tmp_path: Path) -> None:
    path = tmp_path / "t"
    write_deltalake(path, rows(0, 300, DAY), partition_by=["day"])
    write_deltalake(path, rows(300, 300, NEXT), partition_by=["day"], mode="append")
    DeltaTable(path).delete(f"day = '{DAY}'")
    source, name = str(path), "delta-moves"
    (tmp_path / "t" / "_late=1").mkdir()
    trained = train(TrainSettings(name=name, source=source, metric="l2"), services)
    assert (trained.source_format, trained.source_version) == ("delta", "2")
    settings = IndexSettings(name=name, source=source)
    checked = stages.check(settings, "b1", services)
    assert (checked.rows, checked.source_version) == (300, "2")
    write_deltalake(path, rows(600, 50, DAY), partition_by=["day"], mode="append")
    assert stages.plan(settings, "b1", services).source_version == "2"
    write_deltalake(path, rows(650, 50, DAY), partition_by=["day"], mode="append")
    report = run_index(settings, services, "b1")
    assert (report.documents, report.source_format, report.source_version) == (300, "delta", "2")
    assert held(services, name) == {f"r{row}": str(NEXT) for row in range(300, 600)}
    assert "  source     delta table, version 2" in list(report_lines(report))
    client = services.connection.client()
    mapping = client.indices.get_mapping(index=report.index)[report.index]["mappings"]
    assert mapping["_meta"]["airlsh"]["source_version"] == "2"
    assert mapping["properties"]["day"]["type"] == "date"
    assert BuildRecords(services.cluster).get(name, "b1").source_version == "2"

    named = run_index(IndexSettings(name=name, source=source, source_version="0"), services)
    assert (named.documents, named.source_version) == (300, "0")
    assert set(held(services, name).values()) == {str(DAY)}
    latest = run_index(settings, services)
    assert (latest.documents, latest.source_version) == (400, "4")


def test_a_refresh_takes_the_partition_as_the_log_has_it(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, name = tmp_path / "t", "delta-refreshed"
    write_deltalake(path, rows(0, 300, DAY), partition_by=["day"])
    write_deltalake(path, rows(300, 10, NEXT), partition_by=["day"], mode="append")
    train(TrainSettings(name=name, source=str(path), metric="l2"), services)
    run_index(IndexSettings(name=name, source=str(path)), services)
    DeltaTable(path).delete(f"day = '{NEXT}'")
    write_deltalake(path, rows(400, 10, NEXT), partition_by=["day"], mode="append")
    check_rows, moves = refreshing._check_rows, [rows(500, 5, DAY), rows(600, 5, NEXT)]

    def meanwhile(*arguments: Any) -> None:
        check_rows(*arguments)
        if moves:  # First another partition moves, and then this one.
            write_deltalake(path, moves.pop(0), partition_by=["day"], mode="append")
            write_deltalake(path, moves.pop(0), partition_by=["day"], mode="append")

    monkeypatch.setattr(refreshing, "_check_rows", meanwhile)
    settings = RefreshSettings(name=name, source=str(path), partition=f"day={NEXT}")
    result = refresh_partition(settings, services)
    assert (result.rows, result.deleted, result.source_version) == (15, 10, "5")
    found = held(services, name)
    assert {identity for identity, day in found.items() if day == str(NEXT)} == {
        f"r{row}" for row in (*range(400, 410), *range(600, 605))
    }
    assert sum(day == str(DAY) for day in found.values()) == 300


def test_what_is_left_out_is_in_every_report(services: Services, tmp_path: Path) -> None:
    name = "left-out"
    for folder, first in ((".", 0), ("_late=1", 300)):
        (tmp_path / "in" / folder).mkdir(parents=True)
        table = rows(first, 300, DAY)
        column = pa.array(["0" if folder == "." else "1"] * 300)
        pq.write_table(
            table if folder != "." else table.append_column("_late", column), tmp_path / "in" / folder / "a.parquet"
        )
    (tmp_path / "in" / "_SUCCESS").touch()
    (tmp_path / "in" / "_old").mkdir()
    pq.write_table(rows(900, 3, DAY), tmp_path / "in" / "_old" / "a.parquet")
    source = str(tmp_path / "in")
    trained = train(TrainSettings(name=name, source=source, metric="l2"), services)
    expected = {"left_out": 1, "left_out_names": ["_old/"]}
    assert expected.items() <= trained.to_json().items()
    report = run_index(IndexSettings(name=name, source=source, columns=("day",)), services)
    assert report.documents == 600
    assert expected.items() <= report.to_json().items()
    record = BuildRecords(services.cluster).get(name, report.build)
    assert all(expected.items() <= record.stages.to_json()[stage].items() for stage in ("check", "plan"))
    (line,) = (each for each in report_lines(report) if each.startswith("  left out"))
    assert "1 file is not read" in line
    assert line.endswith(": _old/")
