"""What the files of a source hold, and what is said about files that do not belong."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from itertools import permutations
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lsh_core.errors import SchemaError, SourceChangedError, SourceError
from lsh_core.sources.columns import check_columns
from lsh_core.sources.dataset import open_dataset
from lsh_core.sources.reading import check_unchanged

Write = Callable[..., Path]
Packages = Callable[..., pa.Table]


def test_files_rows_row_groups_and_places(tmp_path: Path, write: Write) -> None:
    write(tmp_path / "b.parquet", 5, row_group_size=2)
    write(tmp_path / "a.parquet", 3)
    write(tmp_path / "empty.parquet", 0)
    dataset = open_dataset(str(tmp_path))
    assert [(os.path.basename(f.url), f.rows, f.first_row_number) for f in dataset.files] == [
        ("a.parquet", 3, 0),
        ("b.parquet", 5, 3),
        ("empty.parquet", 0, 8),
    ]
    assert dataset.files[1].row_group_rows == (2, 2, 1)
    assert dataset.rows == 8
    assert dataset.schema.names == ["id", "embedding"]


def test_a_file_travels_to_workers_in_few_bytes(tmp_path: Path, write: Write) -> None:
    file = open_dataset(str(write(tmp_path / "a.parquet"))).files[0]
    sent = pickle.dumps(file)
    assert pickle.loads(sent) == file
    assert len(sent) < 1_000


def test_hive_folders_give_string_columns(tmp_path: Path, write: Write) -> None:
    write(tmp_path / "day=2024-05-01" / "kind=a%2Fb" / "x.parquet")
    write(tmp_path / "day=2024-05-02" / "kind=__HIVE_DEFAULT_PARTITION__" / "x.parquet")
    dataset = open_dataset(str(tmp_path))
    assert dataset.schema.names == ["id", "embedding", "day", "kind"]
    assert dataset.schema.field("day").type == pa.string()
    assert dataset.files[0].partition_values == (("day", "2024-05-01"), ("kind", "a/b"))
    assert dataset.files[0].partition == "day=2024-05-01/kind=a%2Fb"


def test_a_file_has_the_same_columns_named_alone_and_with_its_folder(tmp_path: Path, write: Write) -> None:
    path = write(tmp_path / "day=1" / "x.parquet")
    assert open_dataset(str(path)).schema == open_dataset(str(tmp_path)).schema


def test_a_key_that_the_files_hold_is_read_from_them(tmp_path: Path, write: Write, packages: Packages) -> None:
    write(tmp_path / "day=1" / "x.parquet", packages(2, day=pa.array([1, 1])))
    dataset = open_dataset(str(tmp_path))
    assert dataset.schema.field("day").type == pa.int64()
    assert dataset.files[0].partition_values == ()
    assert dataset.files[0].partition == "day=1"


def test_other_filesystems(memory: fsspec.AbstractFileSystem, packages: Packages) -> None:
    for name in "ab":
        with memory.open(f"/data/{name}.parquet", "wb") as sink:
            pq.write_table(packages(3), sink)
    dataset = open_dataset("memory://data")
    assert dataset.rows == 6
    assert dataset.files[1].url == "memory:///data/b.parquet"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"id,embedding\n", r"is not a Parquet file; .*FOLDER/\*\.parquet"),
        (b"ab", "is not a Parquet file"),
        (b"PAR1" + bytes(500), "is truncated: .*after 504 bytes its end is missing; copy it again"),
        (b"PAR1" + bytes(500) + b"PAR1", "has a broken footer"),
    ],
)
def test_what_is_not_parquet_is_named_with_the_reason(
    tmp_path: Path, write: Write, content: bytes, reason: str
) -> None:
    write(tmp_path / "a.parquet")
    (tmp_path / "b.parquet").write_bytes(content)
    with pytest.raises(SourceError, match=reason) as raised:
        open_dataset(str(tmp_path))
    assert raised.value.source == str(tmp_path / "b.parquet")


def test_a_truncated_copy_is_told_from_another_kind_of_file(tmp_path: Path, write: Write) -> None:
    path = write(tmp_path / "a.parquet", 100)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(SourceError, match="truncated"):
        open_dataset(str(path))


def test_files_without_a_common_type_are_named_when_the_column_is_used(
    tmp_path: Path, write: Write, packages: Packages
) -> None:
    write(tmp_path / "a.parquet", packages(2, year=pa.array([1, 2])))
    write(tmp_path / "b.parquet", packages(2, year=pa.array(["1", "2"])))
    dataset = open_dataset(str(tmp_path))
    assert dataset.schema_of(["id"]).names == ["id"]
    reason = (
        r"is string, but in .*a\.parquet it is int64, and no type holds both without loss; write both with one type"
    )
    with pytest.raises(SchemaError, match=reason) as raised:
        dataset.schema_of(["id", "year"])
    assert (raised.value.source, raised.value.column) == (str(tmp_path / "b.parquet"), "year")


@pytest.mark.parametrize("order", list(permutations(("u", "i", "f"))), ids="".join)
def test_the_common_type_hangs_on_no_order(
    tmp_path: Path, write: Write, packages: Packages, order: tuple[str, ...]
) -> None:
    columns = {"u": pa.array([1, 2], pa.uint64()), "i": pa.array([1, 2]), "f": pa.array([0.5, 1])}
    for number, name in enumerate(order):
        write(tmp_path / f"{number}.parquet", packages(2, c=columns[name]))
    assert open_dataset(str(tmp_path)).schema.field("c").type == pa.float64()


def test_a_column_that_no_file_has_is_named_with_the_nearest(tmp_path: Path, write: Write, packages: Packages) -> None:
    write(tmp_path / "a.parquet", packages(2, category=pa.array([1, 2])))
    with pytest.raises(SchemaError, match="'categorie' does not exist: did you mean category"):
        open_dataset(str(tmp_path)).column("categorie")


def test_a_file_may_lack_a_column(tmp_path: Path, write: Write, packages: Packages) -> None:
    write(tmp_path / "a.parquet", packages(2))
    write(tmp_path / "b.parquet", packages(2, year=pa.array([1, 2]), month=pa.array([1, 2])))
    write(tmp_path / "c.parquet", packages(2, year=pa.array([1, 2])))
    dataset = open_dataset(str(tmp_path))
    assert dataset.names == ["id", "embedding", "year", "month"]
    assert dataset.column("year").absent_from == str(tmp_path / "a.parquet")
    assert dataset.column("month").absent_from == str(tmp_path / "a.parquet")
    assert dataset.column("id").absent_from is None


def test_the_unnamed_index_of_pandas_is_used_only_where_it_is_named(
    tmp_path: Path, write: Write, packages: Packages
) -> None:
    write(tmp_path / "a.parquet", packages(2))
    write(tmp_path / "b.parquet", packages(2, __index_level_0__=pa.array([1, 2])))
    dataset = open_dataset(str(tmp_path))
    assert dataset.names == ["id", "embedding"]
    assert dataset.columns_left_out == ("__index_level_0__",)
    assert check_columns(dataset, id="id", vector="embedding").left_out == ("__index_level_0__",)
    named = check_columns(dataset, id="id", vector="embedding", columns=["__index_level_0__"])
    assert named.others.names == ["__index_level_0__"]
    assert named.left_out == ()


def test_the_types_of_a_file_without_rows_do_not_count(tmp_path: Path, write: Write, packages: Packages) -> None:
    write(tmp_path / "a.parquet", pa.table({"id": pa.array([], pa.float64()), "only": pa.array([], pa.int8())}))
    write(tmp_path / "b.parquet", packages(2))
    dataset = open_dataset(str(tmp_path))
    assert dataset.names == ["id", "embedding"]
    assert check_columns(dataset, id="id", vector="embedding").dims == 2


def test_a_type_null_gives_way_to_the_type_of_any_other_file(tmp_path: Path, write: Write, packages: Packages) -> None:
    for name, year in (("a", pa.nulls(2)), ("b", pa.array([1.5, None])), ("c", pa.nulls(2))):
        write(tmp_path / f"{name}.parquet", packages(2, year=year, empty=pa.nulls(2)))
    dataset = open_dataset(str(tmp_path))
    assert dataset.schema.names == ["id", "embedding", "year", "empty"]
    assert dataset.schema.field("year").type == pa.float64()
    assert dataset.schema.field("empty").type == pa.null()


def test_vectors_of_two_fixed_lengths_are_refused_with_both_files(
    tmp_path: Path, write: Write, packages: Packages
) -> None:
    write(tmp_path / "a.parquet")
    longer = pa.array([[1.0, 2.0, 3.0]], pa.list_(pa.float32(), 3))
    write(tmp_path / "b.parquet", packages(1).set_column(1, "embedding", longer))
    with pytest.raises(SchemaError, match=r"b\.parquet: .*vectors of 3 numbers, but in .*a\.parquet they have 2"):
        check_columns(open_dataset(str(tmp_path)), id="id", vector="embedding")


@pytest.mark.parametrize("column", ["id", "embedding"])
def test_every_file_needs_id_and_vector(tmp_path: Path, write: Write, packages: Packages, column: str) -> None:
    write(tmp_path / "a.parquet")
    write(tmp_path / "b.parquet", packages(2).drop_columns([column]))
    with pytest.raises(SchemaError, match=rf"b\.parquet: column '{column}' is missing, but .*a\.parquet has it"):
        check_columns(open_dataset(str(tmp_path)), id="id", vector="embedding")


def test_order_of_columns_names_of_items_and_nullability_may_differ(tmp_path: Path, write: Write) -> None:
    ids = pa.array(["a"])
    for name, item in (("a", pa.field("item", pa.float32())), ("b", pa.field("element", pa.float32(), nullable=False))):
        vectors = pa.array([[1.0, 2.0]], pa.list_(item))
        columns = {"id": ids, "embedding": vectors}
        write(tmp_path / f"{name}.parquet", pa.table(columns if name == "a" else dict(reversed(columns.items()))))
    assert open_dataset(str(tmp_path)).rows == 2


def test_a_partition_key_may_be_on_the_path_of_some_files(tmp_path: Path, write: Write) -> None:
    write(tmp_path / "x.parquet")
    write(tmp_path / "day=1" / "x.parquet")
    dataset = open_dataset(str(tmp_path))
    assert dataset.rows == 6
    assert dataset.schema.field("day").type == pa.string()
    assert sorted(len(file.partition_values) for file in dataset.files) == [0, 1]


def test_a_repeated_column_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table([pa.array([1]), pa.array([2])], names=["x", "x"]), path)
    with pytest.raises(SchemaError, match="'x' appears more than once"):
        open_dataset(str(path))


def test_a_changed_or_deleted_file_is_noticed(tmp_path: Path, write: Write) -> None:
    path = write(tmp_path / "a.parquet")
    file = open_dataset(str(path)).files[0]
    check_unchanged(file)
    os.utime(path, ns=(5, 5))
    with pytest.raises(SourceChangedError, match="version 5"):
        check_unchanged(file)
    write(path, 4)
    with pytest.raises(SourceChangedError):
        check_unchanged(file)
    path.unlink()
    with pytest.raises(SourceChangedError, match="found no file"):
        check_unchanged(file)
