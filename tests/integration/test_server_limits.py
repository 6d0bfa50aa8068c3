"""Limits of a real node: check finds them, says what to do, and nothing of the build is written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lsh_core.builds.aliases import live_index
from lsh_core.elastic.connection import Connection
from lsh_core.errors import CapacityError, RequestRefusedError, SchemaError, SourceError
from lsh_core.jobs.index import run_index
from lsh_core.jobs.services import Services
from lsh_core.jobs.train import train
from lsh_core.settings import IndexSettings, TrainSettings
from tests.fakes.parquet_sources import clustered, write_source

ROWS, DIMS = 60, 4
NAME = "limited"
IDS = [f"r{row}" for row in range(ROWS)]
VECTORS = clustered(ROWS, DIMS)
DISK = "cluster.routing.allocation.disk"


@pytest.fixture(scope="module")
def services(one_node: Any, dask_cluster: Any, tmp_path_factory: pytest.TempPathFactory) -> Services:
    made = Services(Connection(tuple(one_node.urls)), dask_cluster.address)
    source = write_source(tmp_path_factory.mktemp("source") / "rows.parquet", IDS, VECTORS)
    train(TrainSettings(name=NAME, source=source, metric="l2", lists=4), made)
    return made


def settings_of(folder: Path, **columns: Any) -> IndexSettings:
    source = write_source(folder / "rows.parquet", IDS, VECTORS, **columns)
    return IndexSettings(name=NAME, source=source, recall_queries=33)


def structs(*names: str) -> pa.Array:
    values = pa.array(range(ROWS))
    return pa.StructArray.from_arrays([values] * len(names), names=list(names))


def nested(levels: int) -> pa.Array:
    array: Any = pa.array(range(ROWS))
    for _ in range(levels):
        array = pa.StructArray.from_arrays([array], names=["k"])
    return array


@contextmanager
def cluster_settings(services: Services, **settings: Any) -> Iterator[None]:
    client = services.connection.client()
    named = {key.replace("__", "."): value for key, value in settings.items()}
    client.cluster.put_settings(transient=named)
    try:
        yield
    finally:
        client.cluster.put_settings(transient=dict.fromkeys(named))


def builds_of(services: Services) -> set[str]:
    return set(services.connection.client().indices.get(index=f"airlsh-{NAME}-*"))


def test_more_than_a_thousand_columns_are_indexed(services: Services, tmp_path: Path) -> None:
    columns = {f"f{number}": pa.array(range(ROWS), pa.int64()) for number in range(1_100)}
    report = run_index(settings_of(tmp_path, **columns), services)
    assert (report.documents, report.dead_lettered) == (ROWS, 0)
    client = services.connection.client()
    assert client.count(index=live_index(services.cluster, NAME), query={"term": {"f1099": 7}})["count"] == 1


def test_twenty_levels_and_dotted_names_that_collide_with_nothing_are_indexed(
    services: Services, tmp_path: Path
) -> None:
    report = run_index(settings_of(tmp_path, deep=nested(19), m=structs("a.b", "c", "a.d")), services)
    assert (report.documents, report.dead_lettered) == (ROWS, 0)
    client = services.connection.client()
    assert client.count(index=live_index(services.cluster, NAME), query={"term": {"m.a.b": 7}})["count"] == 1


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"m": nested(25)}, "column 'm' is nested deeper than the 20 levels"),
        ({"m": structs("a", "a")}, "column 'm' has 2 fields named 'a' in 'm'"),
        ({"m": structs("a", "")}, "column 'm' has a field without a name in 'm'"),
        ({"m": structs("a", "a.b")}, "column 'm' has a field 'a.b' in 'm', which would be inside its field 'a'"),
        ({"m": structs("a..b")}, "column 'm' has a field 'a..b' in 'm', whose name has an empty part"),
    ],
    ids=["deep", "repeated", "empty", "dotted", "dots"],
)
def test_a_struct_that_cannot_be_mapped_is_refused(
    services: Services, tmp_path: Path, columns: dict[str, Any], sentence: str
) -> None:
    before = builds_of(services)
    with pytest.raises(SchemaError) as refused:
        run_index(settings_of(tmp_path, **columns), services)
    assert sentence in str(refused.value)
    assert "--columns" in str(refused.value)
    assert builds_of(services) == before


def test_too_many_fields_are_refused(services: Services, tmp_path: Path) -> None:
    values = pa.array(range(ROWS), pa.int8())
    wide = pa.StructArray.from_arrays([values] * 10_001, names=[f"f{number}" for number in range(10_001)])
    with pytest.raises(SourceError, match=r"makes 10,0\d\d fields, and an index may have 10,000: .*--columns"):
        run_index(settings_of(tmp_path, wide=wide), services)


def test_the_limit_of_shards_is_told_with_what_is_open(services: Services, tmp_path: Path) -> None:
    health = services.connection.client().cluster.health()
    is_open = health["active_shards"] + health["unassigned_shards"]
    settings = settings_of(tmp_path).model_copy(update={"shards": 4})
    before = builds_of(services)
    with (
        cluster_settings(services, cluster__max_shards_per_node=is_open + 3),
        pytest.raises(CapacityError, match=r"the build takes 4 \(cluster.max_shards_per_node: \d+\)\. Delete indices"),
    ):
        run_index(settings, services)
    assert builds_of(services) == before


def test_a_full_disk_is_told_before_anything_is_written(services: Services, tmp_path: Path) -> None:
    full = {
        f"{DISK}.threshold_enabled": True,
        **{f"{DISK}.watermark.{mark}": "1pb" for mark in ("low", "high", "flood_stage")},
    }
    before = builds_of(services)
    with (
        cluster_settings(services, **full),
        pytest.raises(CapacityError, match=r"no data node takes another shard.*watermark.high: 1pb\)\. Free some disk"),
    ):
        run_index(settings_of(tmp_path), services)
    assert builds_of(services) == before


def test_a_refusal_that_nobody_foresaw_is_one_sentence_and_not_tried_again(
    services: Services, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = settings_of(tmp_path).model_copy(update={"shards": 1_500})  # More than the server allows an index.
    with (
        cluster_settings(services, cluster__max_shards_per_node=5_000),
        pytest.raises(RequestRefusedError) as refused,
    ):
        run_index(settings, services)
    assert "number of shards" in str(refused.value) or "number_of_shards" in str(refused.value)
    assert "BadRequestError" not in str(refused.value)
    assert "trying it again" not in caplog.text
