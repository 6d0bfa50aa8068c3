"""Delta tables: the rows of a version by the log, or a refusal; never a row that the table removed."""

from __future__ import annotations

import base64
import datetime as dt
import decimal
import json
import shutil
import struct
import sys
import zlib
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from lsh_core.errors import (
    MissingPackageError,
    SettingsError,
    SourceError,
    SourceMissingError,
    SourceUnavailableError,
)
from lsh_core.sources.batches import read_batches
from lsh_core.sources.dataset import Dataset, open_dataset
from lsh_core.sources.source_files import table_files
from tests.fakes.flaky_filesystem import TroubledFileSystem

VECTORS = pa.list_(pa.float32())


def table(*ids: str, **columns: Any) -> pa.Table:
    vectors = pa.array([[1.0, 2.0]] * len(ids), VECTORS)
    return pa.table({"id": pa.array(ids, pa.string()), "embedding": vectors, **columns})


def rows(dataset: Dataset, *columns: str) -> list[tuple[Any, ...]]:
    names = columns or ("id",)
    parts = [part for _, _, part in read_batches(dataset.files, names)]
    return sorted((tuple(row[name] for name in names) for part in parts for row in part.to_pylist()), key=str)


def ids(url: object, version: str | None = None) -> list[str]:
    return [row[0] for row in rows(open_dataset(str(url), version))]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A table of three versions: a and b are there, a is removed, c is added; each has a file of its own."""
    path = tmp_path / "a table #1"
    write_deltalake(path, table("a"))
    write_deltalake(path, table("b"), mode="append")
    DeltaTable(path).delete("id = 'a'")
    write_deltalake(path, table("c"), mode="append")
    return path


def in_memory(path: Path) -> str:
    """Copy a folder to fsspec's filesystem in memory; return its URL."""
    memory = fsspec.filesystem("memory")
    for file in path.rglob("*"):
        if file.is_file():
            memory.pipe_file(f"/t/{file.relative_to(path)}", file.read_bytes())
    return "memory://t"


def test_rows_that_the_table_removed_are_not_read(place: Path) -> None:
    assert len(list(place.glob("*.parquet"))) == 3
    dataset = open_dataset(str(place))
    assert ids(place) == ["b", "c"]
    assert dataset.facts().to_json() == {
        "source_format": "delta",
        "source_version": "3",
        "left_out": 0,
        "left_out_names": [],
    }


@pytest.mark.parametrize(("version", "expected"), [("0", ["a"]), ("1", ["a", "b"]), ("2", ["b"]), ("3", ["b", "c"])])
def test_a_named_version_is_read(place: Path, version: str, expected: list[str]) -> None:
    assert ids(place, version) == expected
    write_deltalake(place, table("d"), mode="append")
    assert ids(place, version) == expected


def test_other_filesystems_are_read_from_the_last_checkpoint_on(place: Path, memory: object) -> None:
    DeltaTable(place).create_checkpoint()
    write_deltalake(place, table("d"), mode="append")
    for old in (0, 1, 2):
        (place / "_delta_log" / f"{old:020}.json").unlink()
    url = in_memory(place)
    for source in (url, str(place)):
        assert ids(source) == ["b", "c", "d"]
        assert ids(source, "3") == ["b", "c"]
        with pytest.raises(SettingsError, match=r"source_version='1': .* cannot be read at this version any more"):
            open_dataset(source, "1")


@pytest.mark.parametrize(
    ("version", "message"),
    [("9", "has versions up to 3"), ("today", "those of Delta tables are numbers"), ("-1", "are numbers")],
)
def test_a_version_that_there_is_not(place: Path, version: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        open_dataset(str(place), version)


def test_a_version_of_plain_files_is_refused(tmp_path: Path) -> None:
    pq.write_table(table("a"), tmp_path / "a.parquet")
    with pytest.raises(SettingsError, match="is no Delta or Iceberg table"):
        open_dataset(str(tmp_path), "1")


def test_without_the_extra_the_table_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "deltalake", None)
    for source in (place, place / "*.parquet"):
        with pytest.raises(MissingPackageError, match=r"a Delta table, needs .* pip install 'airlsh\[delta\]'"):
            open_dataset(str(source))


def test_partition_columns_are_those_of_the_log_with_their_types(tmp_path: Path) -> None:
    keys = {
        "day": pa.array([dt.date(2024, 5, 1), None], pa.date32()),
        "n": pa.array([7, None], pa.int64()),
        "price": pa.array([decimal.Decimal("1.50"), None], pa.decimal128(8, 2)),
        "on": pa.array([True, None]),
        "at": pa.array([dt.datetime(2024, 5, 1, 3, 0, 0, 5), None], pa.timestamp("us")),
        "utc": pa.array([dt.datetime(2024, 5, 1, 3, tzinfo=dt.UTC), None], pa.timestamp("us", "UTC")),
        "k e/y%": pa.array(["x y/z%=", None]),
    }
    path = tmp_path / "region=eu" / "t"
    write_deltalake(path, table("a", "b", **keys), partition_by=list(keys))
    dataset = open_dataset(str(path))
    assert dataset.schema.names == ["id", "embedding", *keys]
    assert [dataset.schema.field(key).type for key in keys] == [column.type for column in keys.values()]
    assert rows(dataset, *keys) == sorted(zip(*(each.to_pylist() for each in keys.values()), strict=True), key=str)
    assert {file.partition for file in dataset.files} == {
        "day=2024-05-01/n=7/price=1.50/on=true/at=2024-05-01 03:00:00.000005/utc=2024-05-01 03:00:00.000000Z"
        "/k e%2Fy%25=x y%2Fz%25=",
        "/".join(f"{key}=__HIVE_DEFAULT_PARTITION__" for key in [*list(keys)[:-1], "k e%2Fy%25"]),
    }


def test_a_part_of_a_table_goes_by_its_log(tmp_path: Path, memory: object) -> None:
    path = tmp_path / "t"
    for name, day in (("a", "1"), ("b", "1"), ("c", "2")):
        write_deltalake(path, table(name, day=[day]), partition_by=["day"], mode="append")
    DeltaTable(path).delete("id = 'a'")
    removed = sorted(set(path.rglob("*.parquet")) - {Path(file.url) for file in open_dataset(str(path)).files})
    assert len(removed) == 1
    for root in (str(path), in_memory(path)):
        assert ids(f"{root}/day=1") == ["b"]
        assert ids(f"{root}/day=*/*.parquet") == ["b", "c"]
        assert ids(f"{root}/day=*") == ["b", "c"]
        assert ids(f"{root}/**/*.parquet") == ["b", "c"]
        for gone in (f"day=1/{removed[0].name}", "_delta_log/*.json", "_delta_log"):
            with pytest.raises(SourceError, match=r"names no file of .* at delta version 3: it was removed"):
                open_dataset(f"{root}/{gone}")


def test_a_folder_of_tables_is_refused_and_names_them(tmp_path: Path, memory: object) -> None:
    for name in ("one", "two"):
        write_deltalake(tmp_path / "all" / name, table(name))
    for source in (str(tmp_path / "all"), f"{tmp_path}/all/**/*.parquet", f"{tmp_path}/*", in_memory(tmp_path / "all")):
        with pytest.raises(
            SourceError, match=r"is no table, but holds Delta tables \((all/)?one, (all/)?two\): give one"
        ):
            open_dataset(source)


def test_renamed_columns_are_refused_and_mapping_without_renaming_is_read(tmp_path: Path) -> None:
    mapped = {"delta.columnMapping.mode": "name"}
    write_deltalake(tmp_path / "mapped", table("a"), configuration=mapped)
    with pytest.raises(SourceError, match=r"column 'id' is 'col-.*' in its files \(column mapping\)"):
        open_dataset(str(tmp_path / "mapped"))
    write_deltalake(tmp_path / "plain", table("a"))
    log = tmp_path / "plain" / "_delta_log" / f"{0:020}.json"
    actions = [json.loads(line) for line in log.read_text().splitlines()]
    for action in actions:
        if "protocol" in action:
            action["protocol"] = {"minReaderVersion": 2, "minWriterVersion": 5}
        if "metaData" in action:
            schema = json.loads(action["metaData"]["schemaString"])
            for number, field in enumerate(schema["fields"], 1):
                ids_of = {"delta.columnMapping.id": number, "delta.columnMapping.physicalName": field["name"]}
                field["metadata"] |= ids_of
            action["metaData"]["schemaString"] = json.dumps(schema)
            action["metaData"]["configuration"] = mapped
    log.write_text("".join(json.dumps(action) + "\n" for action in actions))
    assert ids(tmp_path / "plain") == ["a"]


def test_rows_under_deletion_vectors_are_refused(tmp_path: Path, memory: object) -> None:
    path = tmp_path / "t"
    write_deltalake(path, table("a", "b"), configuration={"delta.enableDeletionVectors": "true"})
    assert ids(path) == ["a", "b"]
    _delete_first_row(path)
    assert len(pa.RecordBatchReader.from_stream(DeltaTable(path).deletion_vectors()).read_all()) == 1
    for source in (str(path), in_memory(path)):
        with pytest.raises(SourceError, match=r"has deletion vectors: .* REORG TABLE"):
            open_dataset(source)


def _delete_first_row(path: Path) -> None:
    """Commit a deletion vector of row 0, as Spark writes it into a file of its own."""
    log = path / "_delta_log"
    added = next(
        json.loads(line)["add"] for line in (log / f"{0:020}.json").read_text().splitlines() if '"add"' in line
    )
    # A roaring bitmap of 64 bits: its magic number, one bitmap of 32 bits for the high word 0, which holds 0.
    bitmap = struct.pack("<iqI", 1681511377, 1, 0) + struct.pack("<IIHHIH", 12346, 1, 0, 0, 16, 0)
    checksum = struct.pack(">I", zlib.crc32(bitmap))
    name = "deletion_vector_00000000-0000-0000-0000-000000000001.bin"
    (path / name).write_bytes(b"\x01" + struct.pack(">i", len(bitmap)) + bitmap + checksum)
    # `u` is a UUID in base 85 of ZeroMQ's alphabet.
    standard = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"
    zero_mq = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
    coded = base64.b85encode((1).to_bytes(16, "big")).translate(bytes.maketrans(standard, zero_mq)).decode()
    vector = {"storageType": "u", "pathOrInlineDv": coded, "offset": 1, "sizeInBytes": len(bitmap), "cardinality": 1}
    remove = {"path": added["path"], "dataChange": True, "deletionTimestamp": 1, "extendedFileMetadata": False}
    actions = [{"remove": remove}, {"add": {**added, "deletionVector": vector}}]
    (log / f"{1:020}.json").write_text("".join(json.dumps(action) + "\n" for action in actions))


def _with_path(path: Path, location: str) -> None:
    """Make the log name its file by another path."""
    log = path / "_delta_log" / f"{0:020}.json"
    actions = [json.loads(line) for line in log.read_text().splitlines()]
    for action in actions:
        if "add" in action:
            action["add"]["path"] = location
    log.write_text("".join(json.dumps(action) + "\n" for action in actions))


def test_files_outside_the_folder_are_refused_and_absolute_paths_inside_are_read(tmp_path: Path) -> None:
    path, elsewhere = tmp_path / "t", tmp_path / "elsewhere.parquet"
    write_deltalake(path, table("a"))
    (data,) = path.glob("*.parquet")
    shutil.copy(data, elsewhere)
    for inside in (str(data), data.as_uri()):
        _with_path(path, inside)
        assert ids(path) == ["a"]
    for outside in (str(elsewhere), elsewhere.as_uri(), "../elsewhere.parquet", "s3://bucket/x.parquet"):
        _with_path(path, outside)
        with pytest.raises(SourceError, match=r"which is not in the table's own folder \(a shallow clone"):
            open_dataset(str(path))


def test_files_that_were_vacuumed_are_named(place: Path) -> None:
    old = next(file.url for file in open_dataset(str(place), "0").files)
    Path(old).unlink()
    assert ids(place) == ["b", "c"]
    with pytest.raises(SourceError, match=r"is gone, though delta version 0 of .* has it: .*VACUUM") as raised:
        open_dataset(str(place), "0")
    assert raised.value.source == old


def test_an_empty_table_has_no_files(place: Path) -> None:
    DeltaTable(place).delete()
    with pytest.raises(SourceMissingError, match=r"delta version 4 of .* has no files"):
        open_dataset(str(place))


def test_a_broken_log_and_unknown_features_are_told(place: Path) -> None:
    log = place / "_delta_log" / f"{4:020}.json"
    log.write_text(
        '{"protocol":{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["x"],"writerFeatures":["x"]}}'
    )
    with pytest.raises(SourceError, match="its Delta log cannot be read"):
        open_dataset(str(place))


def test_rows_of_older_files_have_null_in_a_newer_column(tmp_path: Path) -> None:
    write_deltalake(tmp_path / "t", table("a"))
    write_deltalake(tmp_path / "t", table("b", year=pa.array([2024], pa.int64())), mode="append", schema_mode="merge")
    assert rows(open_dataset(str(tmp_path / "t")), "id", "year") == [("a", None), ("b", 2024)]


def test_files_that_a_delete_has_rewritten_are_read_with_the_others(tmp_path: Path) -> None:
    """`deltalake` writes strings that a plain reader takes for another type."""
    write_deltalake(tmp_path / "t", table("a", "b"))
    DeltaTable(tmp_path / "t").delete("id = 'a'")
    write_deltalake(tmp_path / "t", table("c"), mode="append")
    assert ids(tmp_path / "t") == ["b", "c"]


def test_a_storage_that_does_not_answer_is_no_wrong_table(place: Path, troubled: TroubledFileSystem) -> None:
    for file in place.rglob("*"):
        if file.is_file():
            troubled.pipe_file(f"/t/{file.relative_to(place)}", file.read_bytes())
    url, failed = "troubled://t", 0
    for read in (open_dataset, table_files):
        for calls in range(100):
            troubled.trouble, troubled.calls = OSError("connection reset"), calls
            try:
                assert read(url)
            except SourceUnavailableError:
                failed += 1
            else:
                break
    assert failed > 10


def test_a_log_that_cannot_be_listed_again_is_no_wrong_version(
    place: Path, troubled: TroubledFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in place.rglob("*"):
        if file.is_file():
            troubled.pipe_file(f"/t/{file.relative_to(place)}", file.read_bytes())

    def gone(*arguments: Any, **options: Any) -> Any:
        def refuse(*_: Any, **__: Any) -> Any:
            raise TimeoutError("no answer")

        monkeypatch.setattr(TroubledFileSystem, "ls", refuse)
        return DeltaTable(*arguments, **options)

    monkeypatch.setattr("deltalake.DeltaTable", gone)
    with pytest.raises(SourceUnavailableError, match="its Delta log cannot be listed: no answer"):
        open_dataset("troubled://t", "9")
