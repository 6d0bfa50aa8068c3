"""Which columns can be ids and vectors, and what is said about the others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lsh_core.errors import SchemaError
from lsh_core.sources.columns import SourceColumns, check_columns
from lsh_core.sources.dataset import open_dataset

Write = Callable[..., Path]


def check(path: Path, table: dict[str, pa.Array], write: Write, **options: Any) -> SourceColumns:
    write(path / "a.parquet", pa.table(table))
    return check_columns(open_dataset(str(path)), **{"id": "id", "vector": "v", **options})


VECTORS = pa.array([[1.0, 2.0]], pa.list_(pa.float32(), 2))
IDS = pa.array(["a"])


@pytest.mark.parametrize(
    "type_",
    [
        pa.string(),
        pa.large_string(),
        pa.dictionary(pa.int8(), pa.string()),
        pa.int8(),
        pa.uint8(),
        pa.int32(),
        pa.int64(),
        pa.uint64(),
    ],
    ids=str,
)
def test_ids_may_be_strings_or_integers(tmp_path: Path, write: Write, type_: pa.DataType) -> None:
    ids = pa.array(["1"]).cast(type_) if not pa.types.is_dictionary(type_) else pa.array(["1"]).dictionary_encode()
    assert check(tmp_path, {"id": ids, "v": VECTORS}, write).id == "id"


@pytest.mark.parametrize("ids", [pa.array([1.5]), pa.array([b"a"]), pa.array([["a"]]), pa.array([True])], ids=str)
def test_other_ids_are_refused_with_their_type(tmp_path: Path, write: Write, ids: pa.Array) -> None:
    with pytest.raises(SchemaError, match=r"'id' is .*; ids must be strings, UUIDs, integers or whole decimals"):
        check(tmp_path, {"id": ids, "v": VECTORS}, write)


@pytest.mark.parametrize(
    "item", [pa.float16(), pa.float32(), pa.float64(), pa.int8(), pa.uint8(), pa.int32(), pa.uint64()], ids=str
)
@pytest.mark.parametrize("kind", ["list", "large_list", "fixed_size_list"])
def test_vectors_may_be_any_list_of_numbers(tmp_path: Path, write: Write, kind: str, item: pa.DataType) -> None:
    type_ = {"list": pa.list_(item), "large_list": pa.large_list(item), "fixed_size_list": pa.list_(item, 3)}[kind]
    vectors = pa.array([[1.0, 2.0, 3.0]], pa.list_(pa.float32())).cast(type_)
    assert check(tmp_path, {"id": IDS, "v": vectors}, write).dims == 3


@pytest.mark.parametrize(
    "vectors",
    [pa.array([1.0]), pa.array([[True]]), pa.array(["x"]), pa.array([[[1.0]]]), pa.array([{"x": [1.0]}])],
    ids=lambda array: str(array.type),
)
def test_other_vectors_are_refused_with_their_type(tmp_path: Path, write: Write, vectors: pa.Array) -> None:
    with pytest.raises(
        SchemaError, match=r"'v' is .*; vectors must be lists of numbers \(floats, integers or decimals\)"
    ):
        check(tmp_path, {"id": IDS, "v": vectors}, write)


def test_dims_of_variable_lists_are_those_of_most_rows(tmp_path: Path, write: Write) -> None:
    rows = [None, [], [1.0], [1.0, 2.0], None, [3.0, 4.0]]
    vectors = pa.array(rows, pa.list_(pa.float32()))
    assert check(tmp_path, {"id": pa.array(list("abcdef")), "v": vectors}, write).dims == 2


def test_dims_are_looked_for_in_later_files(tmp_path: Path, write: Write) -> None:
    for name, rows in (("0", []), ("1", [None, []])):
        vectors = pa.array(rows, pa.list_(pa.float32()))
        write(tmp_path / f"{name}.parquet", pa.table({"id": pa.array(["x"] * len(rows), pa.string()), "v": vectors}))
    assert check(tmp_path, {"id": IDS, "v": pa.array([[1.0]], pa.list_(pa.float32()))}, write).dims == 1


def test_dims_are_not_looked_for_where_the_column_has_no_type(tmp_path: Path, write: Write) -> None:
    write(tmp_path / "0.parquet", pa.table({"id": IDS, "v": pa.nulls(1)}))
    assert check(tmp_path, {"id": pa.nulls(1), "v": pa.array([[1.0]], pa.list_(pa.float32()))}, write).dims == 1


def test_without_any_vector_dims_are_unknown(tmp_path: Path, write: Write) -> None:
    with pytest.raises(SchemaError, match="holds no vector in any row"):
        check(tmp_path, {"id": IDS, "v": pa.array([None], pa.list_(pa.float32()))}, write)


def test_missing_columns_are_named_with_those_that_exist(tmp_path: Path, write: Write) -> None:
    columns = {"id": IDS, "v": VECTORS, "section": IDS}
    for options in ({"id": "key"}, {"vector": "key"}, {"columns": ["section", "key"]}):
        with pytest.raises(SchemaError, match=r"'key' does not exist: there are id, v, section"):
            check(tmp_path, columns, write, **options)


def test_other_columns_are_all_or_those_asked_for(tmp_path: Path, write: Write) -> None:
    columns = {"id": IDS, "section": IDS, "v": VECTORS, "year": pa.array([1])}
    folder = tmp_path / "day=1"
    assert check(folder, columns, write).others.names == ["section", "year", "day"]
    assert check(folder, columns, write, columns=["day", "section", "id"]).others.names == ["section", "day"]
    assert check(folder, columns, write, columns=[]).others.names == []


def test_one_column_cannot_be_both(tmp_path: Path, write: Write) -> None:
    with pytest.raises(SchemaError, match="both the id and the vector"):
        check(tmp_path, {"id": IDS, "v": VECTORS}, write, vector="id")
