"""A folder of features is plain Parquet to others: pandas, pyarrow, DuckDB, and Spark by its rule of names."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import duckdb
import fsspec
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from lsh_core.features.chunk_files import ChunkRecord, write_chunk
from lsh_core.features.manifest import Manifest
from lsh_core.features.output_folder import OutputFolder
from lsh_core.features.publishing import begin, delete_unnamed, publish, show
from lsh_core.sources.dataset import open_dataset
from lsh_core.sources.dead_letter import DeadLetter
from lsh_core.sources.encoder_info import EncoderDescription, EncoderInfo

ENCODER = EncoderInfo("e", "0" * 64, 2, "cosine", "embedding")
VECTORS = pa.list_(pa.float32(), 2)


def read_by_spark(folder: Path) -> list[str]:
    """Read as Spark does: names that start with ``_`` or ``.`` are passed over, all else is Parquet."""
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(part.startswith(("_", ".")) for part in path.relative_to(folder).parts)
    ]
    tables = [pq.read_table(path, partitioning=None) for path in files]
    assert len({table.schema.remove_metadata() for table in tables}) <= 1
    return [each for table in tables for each in table["id"].to_pylist()]


READERS: dict[str, Callable[[Path], list[str]]] = {
    "pandas": lambda folder: pd.read_parquet(folder)["id"].tolist(),
    "pyarrow": lambda folder: pq.read_table(folder)["id"].to_pylist(),
    "pyarrow dataset": lambda folder: ds.dataset(folder).to_table()["id"].to_pylist(),
    "duckdb": lambda folder: [row[0] for row in duckdb.sql(f"select id from '{folder}/**/*.parquet'").fetchall()],
    "duckdb folder": lambda folder: [
        row[0] for row in duckdb.sql(f"select id from read_parquet('{folder}')").fetchall()
    ],
    "spark": read_by_spark,
}


def written(folder: OutputFolder, *keys: str, state: str = "complete") -> Manifest:
    """Write a chunk of two rows for each key, one of its rows a dead letter, and return their manifest."""
    records = []
    for key in keys:
        rows = pa.table({"id": [f"{key}0", f"{key}1"], "embedding": pa.array([[1.0, 2.0]] * 2, VECTORS)})
        record = ChunkRecord(key, "a.parquet", 0, 3, 3, 2, 1)
        letter = DeadLetter(source="a.parquet", row=2, id=f"{key}2", error="empty", reason="is")
        records.append(write_chunk(folder, record, rows, [letter], ENCODER))
    return Manifest(
        state, EncoderDescription("e", "0" * 64, 2, "cosine"), "in", "id", "text", None, "embedding", "", tuple(records)
    )


def ids(*keys: str) -> list[str]:
    return [f"{key}{row}" for key in keys for row in range(2)]


def test_others_read_what_is_published_while_a_run_is_at_work_and_after(tmp_path: Path) -> None:
    folder = OutputFolder(str(tmp_path / "out"))
    begin(folder, written(folder, state="incomplete"))
    publish(folder, written(folder, "a", "b"))
    written(folder, "c", "d")  # A later run, which is at work.
    (tmp_path / "out" / "_airlsh" / "chunks" / ".e.pq.0123").write_bytes(b"half of a ch")
    for read in READERS.values():
        assert sorted(read(tmp_path / "out")) == ids("a", "b")
    delete_unnamed(folder, publish(folder, written(folder, "b", "c")))
    for read in READERS.values():
        assert sorted(read(tmp_path / "out")) == ids("b", "c")
    assert open_dataset(str(tmp_path / "out")).rows == open_dataset(str(tmp_path / "out" / "rows")).rows == 4
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_dead_letters_are_a_folder_of_their_own(tmp_path: Path) -> None:
    folder = OutputFolder(str(tmp_path))
    publish(folder, written(folder, "a"))
    publish(folder, written(folder, "b", "c"))
    letters = tmp_path / "_dead_letters"
    expected = ["b2", "c2"]
    assert sorted(pd.read_parquet(letters)["id"]) == expected
    assert sorted(pq.read_table(letters)["id"].to_pylist()) == expected
    assert sorted(ds.dataset(letters).to_table()["id"].to_pylist()) == expected
    assert sorted(row[0] for row in duckdb.sql(f"select id from read_parquet('{letters}/*')").fetchall()) == expected
    assert sorted(read_by_spark(letters)) == expected
    manifest = written(folder)
    publish(folder, manifest)
    assert not letters.exists()


@pytest.mark.parametrize("name", ["pandas", "pyarrow", "duckdb folder", "spark"])
def test_a_reader_never_sees_parts_of_two_runs(tmp_path: Path, name: str) -> None:
    """What a reader finds while sets replace each other is the one or the other, or an error; never rows of both."""
    folder = OutputFolder(str(tmp_path / "out"))
    first, second = written(folder, *"abcdef"), written(folder, *"uvwxyz")
    publish(folder, first)
    ended = threading.Event()

    def replace() -> None:
        for _ in range(12):
            for manifest in (second, first):
                publish(folder, manifest)
        ended.set()

    writer = threading.Thread(target=replace)
    writer.start()
    found = set()
    while not ended.is_set():
        try:
            found.add("".join(sorted(READERS[name](tmp_path / "out"))))
        except (OSError, ValueError, KeyError, duckdb.Error, pa.ArrowException):
            continue  # Its files were replaced between the listing and the reading: it says so.
    writer.join()
    assert found - {""} <= {"".join(ids(*"abcdef")), "".join(ids(*"uvwxyz"))}
    assert sorted(READERS[name](tmp_path / "out")) == ids(*"abcdef")


def test_folders_of_features_as_partitions_are_one_table_to_others(tmp_path: Path) -> None:
    for day, keys in (("1", "ab"), ("2", "c")):
        folder = OutputFolder(str(tmp_path / f"day={day}"))
        publish(folder, written(folder, *keys))
    for read in READERS.values():
        assert sorted(read(tmp_path)) == ids(*"abc")
    assert set(pd.read_parquet(tmp_path)["day"]) == {1, 2}
    assert {file.partition for file in open_dataset(str(tmp_path)).files} == {"day=1", "day=2"}


def test_a_run_that_was_killed_before_it_showed_its_rows_is_repeated(tmp_path: Path) -> None:
    folder = OutputFolder(str(tmp_path))
    publish(folder, written(folder, "a"))
    second = written(folder, "b")
    folder.write("_airlsh/manifest.json", second.to_bytes())
    assert READERS["pandas"](tmp_path) == ids("a")
    show(folder)
    assert READERS["pandas"](tmp_path) == ids("b")
    inode = next((tmp_path / "rows").iterdir()).stat().st_ino
    show(folder)
    assert next((tmp_path / "rows").iterdir()).stat().st_ino == inode


def test_an_object_store_shows_copies(tmp_path: Path) -> None:
    memory = fsspec.filesystem("memory")
    folder = OutputFolder("memory://shown/out")
    publish(folder, written(folder, "a", "b"))
    publish(folder, written(folder, "b", "c"))
    assert [path.rpartition("/")[2] for path in sorted(memory.find("/shown/out/rows"))] == ["b.parquet", "c.parquet"]
    assert open_dataset("memory://shown/out").rows == open_dataset("memory://shown/out/rows").rows == 4
    publish(folder, written(folder))
    assert memory.find("/shown/out/rows") == []
    memory.rm("/shown", recursive=True)
