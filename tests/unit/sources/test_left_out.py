"""What a listing leaves out is counted and named; a ``key=value`` folder is a partition whatever its first letter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import fsspec
import pyarrow as pa
import pytest

from lsh_core.errors import SourceError, SourceMissingError
from lsh_core.sources.dataset import open_dataset
from lsh_core.sources.left_out import LeftOut, is_hidden
from lsh_core.sources.listing import list_source

Write = Callable[..., Path]

PARTITIONS = ("_late=1", ".hidden=1", "_=1", "day=1/_late=1", "_late=1/.hidden=2", "_l%C3%A9=a%2Fb", "__x=", "_a=b=c")
HIDDEN = (
    ("_old", "_old/"),
    (".git", ".git/"),
    ("_old/day=1", "_old/"),
    ("day=1/_old/x", "day=1/_old/"),
    ("_a%3Db", "_a%3Db/"),
)


def copied_to_memory(folder: Path) -> str:
    memory = fsspec.filesystem("memory")
    for file in folder.rglob("*"):
        if file.is_file():
            memory.pipe_file(f"/copy/{file.relative_to(folder)}", file.read_bytes())
    return "memory://copy"


@pytest.mark.parametrize("folder", PARTITIONS)
def test_a_partition_is_read_whatever_its_first_letter(
    tmp_path: Path, write: Write, memory: object, folder: str
) -> None:
    write(tmp_path / "in" / folder / "a.parquet")
    for root in (str(tmp_path / "in"), copied_to_memory(tmp_path / "in")):
        for url in (root, f"{root}/**", f"{root}/**/*.parquet"):
            dataset = open_dataset(url)
            assert dataset.rows == 3
            assert dataset.left_out == LeftOut()
            assert dataset.files[0].partition is not None
            assert set(dataset.schema.names) - {"id", "embedding"} == set(dict(dataset.files[0].partition_values))


@pytest.mark.parametrize(("folder", "hidden"), HIDDEN)
def test_other_folders_are_left_out_by_name(
    tmp_path: Path, write: Write, memory: object, folder: str, hidden: str
) -> None:
    write(tmp_path / "in" / "day=0" / "a.parquet")
    for name in "ab":
        write(tmp_path / "in" / folder / f"{name}.parquet")
    for url in (str(tmp_path / "in"), copied_to_memory(tmp_path / "in")):
        dataset = open_dataset(url)
        assert dataset.rows == 3
        assert dataset.left_out == LeftOut(2, (hidden,))


def test_an_equals_sign_in_a_file_name_makes_no_partition(tmp_path: Path, write: Write) -> None:
    write(tmp_path / "a=b.parquet")
    write(tmp_path / "_a=b.parquet")
    dataset = open_dataset(str(tmp_path))
    assert (dataset.rows, dataset.schema.names) == (3, ["id", "embedding"])
    assert dataset.left_out == LeftOut(1, ("_a=b.parquet",))


def test_hidden_files_are_counted_and_files_of_rows_are_named_first(tmp_path: Path, write: Write) -> None:
    write(tmp_path / "a.parquet")
    for name in ("_x", "_metadata", "_common_metadata", ".a.parquet.md5", ".git/config", ".git/_SUCCESS"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    write(tmp_path / "_part.parquet")
    dataset = open_dataset(str(tmp_path))
    assert dataset.left_out.count == 7
    assert dataset.left_out.names == ("_part.parquet", ".git/", ".a.parquet.md5", "_common_metadata", "_metadata")
    assert dataset.facts().left_out == 7


def test_markers_of_spark_and_hadoop_need_no_notice(
    tmp_path: Path, write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path / "day=1" / "a.parquet")
    for name in ("_SUCCESS", "._SUCCESS.crc", "_started_42", "_committed_42", "day=1/_SUCCESS", "day=1/.a.parquet.crc"):
        (tmp_path / name).write_bytes(b"")
    assert open_dataset(str(tmp_path)).left_out == LeftOut()
    assert caplog.text == ""
    write(tmp_path / "_committed.parquet")
    assert open_dataset(str(tmp_path)).left_out == LeftOut(1, ("_committed.parquet",))


def test_a_source_of_which_all_is_left_out_says_so(tmp_path: Path, write: Write, memory: object) -> None:
    write(tmp_path / "in" / "_a.parquet")
    write(tmp_path / "in" / "_old" / "a.parquet")
    for root in (str(tmp_path / "in"), copied_to_memory(tmp_path / "in")):
        for url in (root, f"{root}/*", f"{root}/**/*.parquet"):
            with pytest.raises(
                SourceMissingError, match=r"2 files are not read, .* start with '_'.*: _a\.parquet, _old/"
            ):
                open_dataset(url)


def test_a_folder_that_is_linked_twice_is_read_once_and_counted(tmp_path: Path, write: Write) -> None:
    write(tmp_path / "in" / "day=1" / "a.parquet")
    (tmp_path / "in" / "day=2").symlink_to(tmp_path / "in" / "day=1")
    (tmp_path / "in" / "day=1" / "loop").symlink_to(tmp_path / "in")
    dataset = open_dataset(str(tmp_path / "in"))
    assert dataset.rows == 3
    assert dataset.left_out.count == 2
    unfollowed = list_source(str(tmp_path / "in"), linked_folders=False)
    assert (len(unfollowed.files), unfollowed.left_out.count) == (1, 2)


@pytest.mark.parametrize(
    ("marker", "message"),
    [
        ("_temporary/0/task/part.parquet", "a job of Spark or Hive is writing into it"),
        ("day=1/_temporary/0/x", "wait until it has ended, or delete"),
        (".spark-staging-5f/day=1/x.parquet", "a job of Spark or Hive is writing"),
        (".hive-staging_hive_2024/x", "a job of Spark or Hive is writing"),
        (".hoodie/hoodie.properties", "is a Hudi table, which is not read: write it as"),
        ("t/.hoodie/hoodie.properties", "holds a Hudi table"),
        ("_spark_metadata/0", "is a sink of Spark's structured streaming, which is not read"),
        ("base_0000001/bucket_0", "holds an ACID table of Hive"),
        ("t/delta_0000001_0000001_0000/bucket_0", "holds an ACID table of Hive"),
        ("delete_delta_0000002_0000002/bucket_0", "holds an ACID table of Hive"),
        ("_versions/1.manifest", "is a Lance dataset"),
        ("t.lance/data/x.lance", "holds a Lance dataset"),
        ("t/metadata/00001-x.metadata.json", r"holds Iceberg tables \(t\): give one"),
    ],
)
def test_tables_and_jobs_that_are_not_read_are_refused_by_name(
    tmp_path: Path, write: Write, memory: object, marker: str, message: str
) -> None:
    write(tmp_path / "in" / "a.parquet")
    (tmp_path / "in" / marker).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "in" / marker).write_bytes(b"{}")
    for url in (str(tmp_path / "in"), copied_to_memory(tmp_path / "in")):
        with pytest.raises(SourceError, match=message):
            open_dataset(url)
    if "is a " in message:  # Of a part of such a table as well.
        for url in (tmp_path / "in" / "a.parquet", tmp_path / "in" / "*.parquet"):
            with pytest.raises(SourceError, match=message):
                open_dataset(str(url))


def test_a_job_that_has_only_begun_is_seen(tmp_path: Path, write: Write) -> None:
    write(tmp_path / "a.parquet")
    (tmp_path / "_temporary" / "0").mkdir(parents=True)
    with pytest.raises(SourceError, match="a job of Spark or Hive is writing into it"):
        open_dataset(str(tmp_path))


def test_keys_that_differ_in_case_are_two_keys(tmp_path: Path, write: Write, packages: Callable[..., pa.Table]) -> None:
    write(tmp_path / "Day=1" / "a.parquet")
    write(tmp_path / "Day=2" / "a.parquet", packages(2))
    assert open_dataset(str(tmp_path)).schema.names == ["id", "embedding", "Day"]


@pytest.mark.parametrize("name", ["_a/b", ".a/b", "a/_b", "_a=b", "a=1/.b"])
def test_hidden_names(name: str) -> None:
    assert is_hidden(f"/base/{name}", "/base")
    assert not is_hidden(f"/_base/.x/{name.replace('_', 'u').replace('.', 'u')}", "/_base/.x/")


@pytest.mark.parametrize("name", ["base_64", "base_2024", "delta_1_2", "delete_delta_2023_2024"])
def test_a_folder_that_is_named_almost_like_a_part_of_an_acid_table_is_read(
    tmp_path: Path, write: Callable[..., Path], name: str
) -> None:
    write(tmp_path / name / "in" / "a.parquet")
    assert open_dataset(str(tmp_path / name / "in")).rows == 3
    assert open_dataset(str(tmp_path)).rows == 3
