"""Rows given to be written live: all their columns, or an error that names the row and the column."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lsh_core.errors import InputError, SchemaError, SourceError
from lsh_core.live.change_writer import ID_COLUMN, VECTOR_COLUMN
from lsh_core.live.rows import as_table, rename_columns, upserts
from lsh_core.sources.row_ipc import unpack_row
from tests.fakes.vector_fields import table_field

VECTORS = pa.array([[1.0, 2.0]] * 3, pa.list_(pa.float32()))
FIELD = table_field(dims=2, model_id="m", fingerprint="f", token_width=2, column="v", metric="l2")


def test_a_column_that_only_a_later_row_has_is_kept() -> None:
    rows = [{"id": 1, "v": [1, 2]}, {"id": 2, "v": np.array([1.5, 2]), "title": "two"}, {"size": 2.5, "id": 3, "v": []}]
    assert as_table(rows, "rows", 0).to_pylist() == [
        {"id": 1, "v": [1.0, 2.0], "title": None, "size": None},
        {"id": 2, "v": [1.5, 2.0], "title": "two", "size": None},
        {"id": 3, "v": [], "title": None, "size": 2.5},
    ]
    assert len(as_table([], "rows", 0)) == 0


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ([1, 2, "a"], r"holds 'a' in row 12, and int64 before that"),
        (["a", None, 3], r"holds 3 in row 12, and string before that"),
        ([True, 1], r"holds 1 in row 11, and bool before that"),
        ([2**70], r"holds 1180591620717411303424 in row 10: "),
        ([object()], r"holds <object object at .* in row 10: "),
    ],
)
def test_values_that_are_not_of_one_type_are_refused_with_their_row(values: list[Any], says: str) -> None:
    rows = [{"id": value, "v": [1.0, 2.0]} for value in values]
    with pytest.raises(SchemaError, match=f"rows: column 'id' {says}"):
        as_table(rows, "rows", 10)


def test_what_is_no_row_is_refused() -> None:
    with pytest.raises(SourceError, match="row 1 is a list; rows map names"):
        as_table([{"id": 1}, ["id"]], "rows", 0)  # type: ignore[list-item]


@pytest.mark.parametrize(
    "ids",
    [
        pa.array(["a", "b", "a"]),
        pa.array(["a", "b", "a"], pa.large_string()),
        pa.array(["a", "b", "a"], pa.string_view()),
        pa.array(["a", "b", "a"]).dictionary_encode(),
        pa.array(["a", "b", "a"], pa.large_string()).dictionary_encode(),
    ],
    ids=lambda array: str(array.type).split(",")[0],
)
def test_ids_of_every_kind_of_text_and_other_columns_are_written(ids: pa.Array[Any]) -> None:
    views = pa.array([["x"], None, ["y"]], pa.list_(pa.string_view()))
    table = rename_columns(pa.table({"id": ids, "v": VECTORS, "tags": views}), id="id", vector="v", where="rows")
    changes = upserts(table, FIELD, partition=None, where="rows", first_row=0, key=None)
    assert [change.id for change in changes] == ["b", "a"]
    packed = [unpack_row(change.row or b"").to_pylist() for change in changes]
    assert [(each[ID_COLUMN], each["tags"]) for (each,) in packed] == [("b", None), ("a", ["y"])]


@pytest.mark.parametrize("name", [ID_COLUMN, VECTOR_COLUMN])
def test_a_column_under_a_name_of_the_journal_is_refused(name: str) -> None:
    table = pa.table({"id": ["a", "b", "c"], "v": VECTORS, name: ["x", "y", "z"]})
    with pytest.raises(SchemaError, match=f"column '{name}' cannot be the name of a field"):
        rename_columns(table, id="id", vector="v", where="rows")


@pytest.mark.parametrize("ids", [pa.array([1.0, 2.0, 3.0]), pa.array([True, False, True]), pa.nulls(3)])
def test_ids_that_an_index_run_would_refuse_are_refused(ids: pa.Array[Any]) -> None:
    with pytest.raises(InputError, match="ids must be strings, UUIDs, integers or whole decimals"):
        rename_columns(pa.table({"id": ids, "v": VECTORS}), id="id", vector="v", where="rows")


def test_unsigned_hashes_of_64_bits_are_kept() -> None:
    rows = [{"id": "a", "v": [1.0], "hash": 1}, {"id": "b", "v": [1.0], "hash": 2**64 - 1}]
    assert as_table(rows, "rows", 0).column("hash").to_pylist() == [1, 2**64 - 1]
    with pytest.raises(SchemaError, match="holds 18446744073709551616 in row 1, and int64 before that"):
        as_table([rows[0], {**rows[1], "hash": 2**64}], "rows", 0)


class Frame:
    """A DataFrame, as far as Arrow's C stream interface goes."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self._table.__arrow_c_stream__(requested_schema)


def test_data_frames_are_rows_without_the_columns_of_their_indexes() -> None:
    table = pa.table({"id": ["a", "b"], "v": VECTORS[:2]})
    given = table.append_column("__index_level_0__", pa.array([5, 6]))
    for frame in (Frame(given), given.to_batches()[0]):
        assert as_table(frame, "rows", 0).equals(table)  # type: ignore[arg-type]
    assert as_table(iter([{"id": "a"}]), "rows", 0).to_pylist() == [{"id": "a"}]


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ({"id": "a", "v": [1.0, 2.0]}, "dict is not rows: give a list of mappings such as"),
        ("abc", "str is not rows"),
        (5, "int is not rows"),
        (None, "NoneType is not rows"),
        ([{5: "a"}], "5 is a int; names of columns are texts"),
        (["a"], "row 0 is a str; rows map names of columns to values"),
    ],
)
def test_what_is_not_rows_is_refused(rows: Any, says: str) -> None:
    with pytest.raises(SourceError) as raised:
        as_table(rows, "rows", 0)
    assert says in str(raised.value)
