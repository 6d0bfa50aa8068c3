"""Which files of a source a refresh takes for its partition."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lsh_core.errors import SchemaError, SourceError
from lsh_core.jobs.refresh import _open
from lsh_core.settings import RefreshSettings
from tests.fakes.vector_fields import list_field

BUILD: Any = SimpleNamespace(index="i", meta=SimpleNamespace(id_column="id"), field=list_field(dims=2), fields={})


def write(path: Path, rows: int = 2, **columns: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    vectors = pa.array([[1.0, 2.0]] * rows, pa.list_(pa.float32(), 2))
    pq.write_table(pa.table({"id": [f"r{row}" for row in range(rows)], "v": vectors, **columns}), path)


def taken(source: Path, partition: str, **options: Any) -> tuple[list[str], tuple[str, ...]]:
    """Return the files, below `source`, and the columns that are read."""
    found = _open(RefreshSettings(name="n", source=str(source), partition=partition, **options), BUILD)
    return [os.path.relpath(file.url, source) for file in found.files], found.columns


@pytest.mark.parametrize("stored", [False, True])
def test_of_a_whole_dataset_the_folders_of_the_partition(tmp_path: Path, stored: bool) -> None:
    """`stored`: the key is a column of the files as well, as DuckDB and others write them."""
    for day in (1, 2):
        write(tmp_path / f"day={day}" / "a.parquet", **({"day": [day, day]} if stored else {}))
    assert taken(tmp_path, "day=2") == (["day=2/a.parquet"], ("id", "v", "day"))
    assert taken(tmp_path / "day=2", "day=2")[0] == ["a.parquet"]
    for source in (tmp_path, tmp_path / "day=2"):
        with pytest.raises(SourceError, match=r"has no partition 'day=3': did you mean day=.\? there are .*day=2"):
            taken(source, "day=3")
    with pytest.raises(SourceError, match=r"has no partition 'day=1': did you mean day=2\? there are day=2"):
        taken(tmp_path / "day=2", "day=1")


def test_files_of_other_partitions_are_not_judged(tmp_path: Path) -> None:
    write(tmp_path / "day=1" / "a.parquet", kind=[1, 2])
    write(tmp_path / "day=2" / "a.parquet", kind=["x", "y"])
    write(tmp_path / "day=3" / "a.parquet", kind=[1.5, 2.5])
    (tmp_path / "day=4").mkdir()
    (tmp_path / "day=4" / "a.parquet").write_bytes(b"PAR1 cut off")
    assert taken(tmp_path, "day=3") == (["day=3/a.parquet"], ("id", "v", "kind", "day"))
    write(tmp_path / "day=3" / "b.parquet", kind=["x", "y"])
    with pytest.raises(SchemaError, match=r"b\.parquet.*kind.*is string, but in .*a\.parquet it is double"):
        taken(tmp_path, "day=3")
    with pytest.raises(SourceError, match="truncated"):
        taken(tmp_path, "day=4")


def test_columns_that_only_other_partitions_have_are_not_read(tmp_path: Path) -> None:
    write(tmp_path / "day=1" / "a.parquet", kind=[1, 2])
    write(tmp_path / "day=2" / "a.parquet")
    assert taken(tmp_path, "day=2")[1] == ("id", "v", "day")


def test_files_without_folders_are_the_partitions_own(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", region=["eu", "eu"])
    assert taken(tmp_path, "region=eu/day=1") == (["a.parquet"], ("id", "v", "region", "day"))
    (file,) = _open(RefreshSettings(name="n", source=str(tmp_path), partition="region=eu/kind=a%2Fb"), BUILD).files
    assert file.partition_values == (("kind", "a/b"),)


def test_only_a_source_without_files_or_rows_is_empty(tmp_path: Path) -> None:
    nothing = ([], ())
    assert taken(tmp_path / "gone", "day=1", allow_empty=True) == nothing
    write(tmp_path / "day=1" / "a.parquet")
    assert taken(tmp_path, "day=2", allow_empty=True)[0] == []
    (tmp_path / "day=1" / "b.parquet").write_bytes(b"PAR1 cut off")
    with pytest.raises(SourceError, match="truncated"):
        taken(tmp_path, "day=1", allow_empty=True)
    with pytest.raises(SourceError, match="no such file"):
        taken(tmp_path / "gone", "day=1")


def test_a_value_that_is_escaped_can_be_named(tmp_path: Path) -> None:
    write(tmp_path / "kind=a%2Fb" / "a.parquet")
    write(tmp_path / "kind=S%C3%A3o%20Paulo" / "a.parquet")
    assert taken(tmp_path, "kind=a%2Fb")[0] == ["kind=a%2Fb/a.parquet"]
    for name in ("kind=São Paulo", "kind=S%C3%A3o%20Paulo"):
        assert taken(tmp_path, name)[0] == ["kind=S%C3%A3o%20Paulo/a.parquet"]


def test_an_index_of_pandas_that_the_build_has_is_read(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", __index_level_0__=[7, 8], __index_level_1__=[7, 8])
    settings = RefreshSettings(name="n", source=str(tmp_path), partition="day=1")
    assert _open(settings, BUILD).columns == ("id", "v", "day")
    build: Any = SimpleNamespace(**vars(BUILD) | {"fields": {"__index_level_0__": {"type": "long"}}})
    assert _open(settings, build).columns == ("id", "v", "__index_level_0__", "day")
