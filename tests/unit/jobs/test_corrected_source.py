"""Which rows of a corrected source stand for dead letters, and what they hold."""

from __future__ import annotations

import tracemalloc
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lsh_core.builds.mapping import pack_types
from lsh_core.errors import SchemaError, SettingsError, SourceError
from lsh_core.jobs import corrected_source
from lsh_core.jobs.corrected_source import CorrectedSource
from lsh_core.jobs.stages.plan import BuildPlan
from lsh_core.settings import ReplaySettings
from lsh_core.sources.dataset import open_dataset
from lsh_core.sources.dead_letter import DeadLetter
from tests.fakes.vector_fields import list_field


def write(path: Path, ids: list[Any], **columns: Any) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    vectors = pa.array([[1.0, 2.0]] * len(ids), pa.list_(pa.float32(), 2))
    pq.write_table(pa.table({"id": pa.array(ids, pa.string()), "v": vectors, **columns}), path, row_group_size=7)
    return str(path)


def open_source(tmp_path: Path, fields: tuple[str, ...] = (), corrected: str = "corrected") -> CorrectedSource:
    """Open the source `corrected` for a build of the files in the folder ``source``."""
    files = open_dataset(str(tmp_path / "source")).files
    kinds = {name: {"type": "keyword"} for name in fields}
    types = pack_types(pa.schema([]))
    plan = BuildPlan("i", "s", files, 10, kinds, list_field(dims=2), 1, 0, "f", types)
    settings = ReplaySettings(name="n", source=str(tmp_path / corrected), id="id", vector="v")
    return CorrectedSource(settings, plan)


def dead_letters(source: str, *ids: str) -> dict[str, list[DeadLetter]]:
    return {
        each: [DeadLetter(build="b", source=source, row=row, row_number=row, id=each, error="zero_vector", reason="")]
        for row, each in enumerate(ids)
    }


def test_of_a_whole_source_only_the_rows_of_dead_letters_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corrected_source, "_ROWS_AT_ONCE", 10)
    source = write(tmp_path / "source" / "a.parquet", ["x"])
    ids: list[str | None] = [f"r{row}" for row in range(60)]
    ids[3] = None
    write(tmp_path / "corrected" / "a.parquet", ids, n=list(range(60)))
    write(tmp_path / "corrected" / "b.parquet", ["r5", "new", "r9"], n=[60, 61, 62])
    wanted = dead_letters(source, "r5", *(f"r{row}" for row in range(20, 40)), "gone")
    opened = open_source(tmp_path, ("n",))

    rows, others = opened.last_rows(wanted)

    assert others == 63 - 22
    assert rows == {**{f"r{row}": row for row in range(20, 40)}, "r5": 60}
    tables = list(opened.tables(rows, wanted))
    assert [table.column_names for table in tables] == [["id", "v", "n"]] * len(tables)
    assert {row["id"]: row["n"] for table in tables for row in table.to_pylist()} == rows
    assert all(0 < len(table) <= 20 for table in tables)


def test_a_source_without_any_row_of_a_dead_letter_is_refused_in_little_memory(tmp_path: Path) -> None:
    source = write(tmp_path / "source" / "a.parquet", ["x"])
    count = 50_000
    vectors = pa.array([[1.0, 2.0]] * count, pa.list_(pa.float32(), 2))
    (tmp_path / "corrected").mkdir()
    table = pa.table({"id": [f"a-rather-long-id-{row}" for row in range(count)], "v": vectors})
    pq.write_table(table, tmp_path / "corrected" / "a.parquet", row_group_size=2_000)
    opened = open_source(tmp_path)
    tracemalloc.start()
    try:
        with pytest.raises(
            SourceError, match=r"none of its 50,000 rows has .*: a-rather-long-id-0, .*-9; `airlsh upsert` is for rows"
        ):
            opened.last_rows(dead_letters(source, "r1"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2_000_000
    with pytest.raises(SourceError, match="none of its 50,000 rows"):
        opened.last_rows({})


def test_a_column_that_a_folder_told_is_the_folders_again(tmp_path: Path) -> None:
    one = write(tmp_path / "source" / "day=1" / "kind=a%2Fb" / "a.parquet", ["x"])
    two = write(tmp_path / "source" / "day=2" / "kind=__HIVE_DEFAULT_PARTITION__" / "a.parquet", ["y"])
    write(tmp_path / "corrected" / "a.parquet", ["y", "x"])
    wanted = dead_letters(one, "x") | dead_letters(two, "y")
    opened = open_source(tmp_path, ("day", "kind"))
    rows, others = opened.last_rows(wanted)
    assert others == 0
    (table,) = opened.tables(rows, wanted)
    assert table.select(["id", "day", "kind"]).to_pylist() == [
        {"id": "y", "day": "2", "kind": None},
        {"id": "x", "day": "1", "kind": "a/b"},
    ]


def test_what_the_build_has_must_be_there(tmp_path: Path) -> None:
    write(tmp_path / "source" / "day=1" / "a.parquet", ["x"], n=["1"])
    write(tmp_path / "corrected" / "a.parquet", ["x"])
    with pytest.raises(SchemaError, match="is missing; the build has it"):
        open_source(tmp_path, ("day", "n"))


def test_an_index_of_pandas_that_the_build_has_is_read(tmp_path: Path) -> None:
    source = write(tmp_path / "source" / "a.parquet", ["x"], __index_level_0__=[7], __index_level_1__=[8])
    write(tmp_path / "corrected" / "a.parquet", ["x"], __index_level_0__=[9], __index_level_1__=[10])
    wanted = dead_letters(source, "x")
    opened = open_source(tmp_path, ("__index_level_0__",))
    rows, _ = opened.last_rows(wanted)
    (table,) = opened.tables(rows, wanted)
    assert table.column_names == ["id", "v", "__index_level_0__"]
    assert table["__index_level_0__"].to_pylist() == [9]


def test_files_have_the_partitions_of_the_plan(tmp_path: Path) -> None:
    one = write(tmp_path / "source" / "day=1" / "a.parquet", ["x"])
    files = tuple(replace(file, named_partition="day=7") for file in open_dataset(str(tmp_path / "source")).files)
    plan = BuildPlan("i", "s", files, 10, {}, list_field(dims=2), 1, 0, "f", pack_types(pa.schema([])))
    assert plan.partition_of(one) == "day=7"
    assert plan.partition_of("elsewhere/day=2/a.parquet") == "day=2"
    assert BuildPlan.from_json(asdict(plan)) == plan


@pytest.mark.parametrize("change", ["lacks", "has"])
def test_the_plan_of_another_version_is_told(tmp_path: Path, change: str) -> None:
    write(tmp_path / "source" / "a.parquet", ["x"])
    files = open_dataset(str(tmp_path / "source")).files
    document = asdict(BuildPlan("i-1", "s", files, 10, {}, list_field(dims=2), 1, 0, "f", ""))
    if change == "lacks":
        del document["column_types"]
    else:
        document["vector"]["later"] = 1
    with pytest.raises(SettingsError, match=r"build='i-1': another version of airlsh planned it .*: start a new run"):
        BuildPlan.from_json(document)
