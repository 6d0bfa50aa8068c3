"""What is said about each kind of bad row."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lsh_core.sources.plain_types import as_plain
from lsh_core.sources.validation import RefusedRow, validate_rows

HALVES, SINGLES, DOUBLES = (pa.list_(item) for item in (pa.float16(), pa.float32(), pa.float64()))


def refused(id: Any, vector: Any, vector_type: pa.DataType = SINGLES, metric: str = "l2") -> RefusedRow:
    table = pa.table({"id": pa.array([id], pa.string()), "v": pa.array([vector], vector_type)})
    valid = validate_rows(table, id="id", vector="v", dims=3, metric=metric)
    assert valid.ids == []
    assert valid.vectors.shape == (0, 3)
    (row,) = valid.refused
    return row


@pytest.mark.parametrize(
    ("vector", "vector_type", "metric", "error", "reason"),
    [
        (None, SINGLES, "l2", "null_vector", "the vector is null"),
        ([], SINGLES, "l2", "empty_vector", "the vector is empty, 3 numbers are wanted"),
        ([1, 2], SINGLES, "l2", "wrong_length", "the vector has 2 numbers, 3 are wanted"),
        ([1, None, None], SINGLES, "l2", "null_element", "2 of the vector's 3 numbers are null"),
        ([1, math.nan, math.nan], SINGLES, "l2", "nan", "2 of the vector's 3 numbers are NaN, the first is number 1"),
        (
            [1, 2, -math.inf],
            SINGLES,
            "l2",
            "infinite",
            "1 of the vector's 3 numbers are not finite, number 2 is infinite",
        ),
        ([1e39, 2, 3], DOUBLES, "l2", "infinite", "number 0 is beyond float32 (1e+39)"),
        ([1e30, 0, 0], SINGLES, "l2", "overflow", "its largest number is 1e+30"),
        ([0, 0, 0], SINGLES, "cosine", "zero_vector", "all 3 numbers of the vector are zero, cosine needs a direction"),
        ([1e-25, 0, 0], SINGLES, "cosine", "zero_vector", "too short for cosine, its largest number is 1e-25"),
        ([1e-60, 0, 0], DOUBLES, "cosine", "zero_vector", "as float32 all 3 numbers of the vector are zero"),
        ([1, 2, math.nan], HALVES, "cosine", "nan", "1 of the vector's 3 numbers are NaN"),
        ([1, 2, math.inf], SINGLES, "dot", "infinite", "1 of the vector's 3 numbers are not finite"),
        ([1e30, 0, 0], SINGLES, "dot", "overflow", "its largest number is 1e+30"),
    ],
)
def test_vectors(vector: Any, vector_type: pa.DataType, metric: str, error: str, reason: str) -> None:
    row = refused("a", vector, vector_type, metric)
    assert (row.offset, row.id, row.error) == (0, "a", error)
    assert reason in row.reason


@pytest.mark.parametrize(
    ("id", "kept", "error", "reason"),
    [
        (None, None, "null_id", "the id is null"),
        ("", "", "empty_id", "the id is an empty text"),
        (
            "é" * 300,
            "é" * 300,
            "id_too_long",
            "the id has 600 bytes as UTF-8, at most 512 are possible; it starts 'ééé",
        ),
        ("x" * 2_000, "x" * 512, "id_too_long", "the id has 2,000 bytes"),
    ],
)
def test_ids(id: str | None, kept: str | None, error: str, reason: str) -> None:
    row = refused(id, [1, 2, 3])
    assert (row.id, row.error) == (kept, error)
    assert reason in row.reason


@pytest.mark.parametrize("metric", ["l2", "dot"])
@pytest.mark.parametrize("vector", [[0, 0, 0], [1e-25, 0, 0]])
def test_only_cosine_needs_a_direction(metric: str, vector: list[float]) -> None:
    table = pa.table({"id": ["a"], "vector": pa.array([vector], SINGLES)})
    assert validate_rows(table, id="id", vector="vector", dims=3, metric=metric).ids == ["a"]


def test_ids_that_are_not_utf8() -> None:
    raw = pa.array([b"good", b"\xff\xfe", None, b""])
    ids = pa.Array.from_buffers(pa.string(), 4, raw.buffers(), raw.null_count)
    table = pa.table({"id": ids, "v": pa.array([[1, 2, 3]] * 4, SINGLES)})
    valid = validate_rows(table, id="id", vector="v", dims=3, metric="l2")
    assert valid.ids == ["good"]
    assert [(row.offset, row.id, row.error) for row in valid.refused] == [
        (1, "\\xff\\xfe", "id_not_utf8"),
        (2, None, "null_id"),
        (3, "", "empty_id"),
    ]


def texts(*raws: bytes | None) -> pa.Array:
    """Texts as a Parquet reader gives them: nobody has looked whether they are UTF-8."""
    raw = pa.array(raws, pa.binary())
    return pa.Array.from_buffers(pa.string(), len(raw), raw.buffers(), raw.null_count)


TEXTS = texts(b"good", b"a\xff", None, "é".encode())


@pytest.mark.parametrize(
    "column",
    [
        TEXTS,
        TEXTS.cast(pa.large_string(), safe=False),
        TEXTS.cast(pa.string_view()),
        pa.DictionaryArray.from_arrays(pa.array([0, 1, None, 2]), texts(b"good", b"a\xff", b"more")),
        pa.ListArray.from_arrays([0, 1, 3, 3, 4], texts(b"good", b"good", b"a\xff", "é".encode())),
        pa.FixedSizeListArray.from_arrays(texts(b"a", b"b", b"a\xff", b"\xff", None, b"", b"c", b"d"), 2),
        pa.StructArray.from_arrays([pa.array([1, 2, 3, 4]), TEXTS], ["number", "text"]),
        pa.StructArray.from_arrays([pa.ListArray.from_arrays([0, 1, 2, 2, 3], texts(b"", b"a\xff", b"b"))], ["texts"]),
    ],
    ids=lambda column: str(column.type),
)
def test_a_text_that_is_not_utf8_refuses_its_row_alone(column: pa.Array) -> None:
    table = pa.table(
        {"id": list("abcd"), "v": pa.array([[1, 2, 3]] * 4, SINGLES), "good": list("wxyz"), "title": as_plain(column)}
    )
    valid = validate_rows(pa.concat_tables([table, table.slice(1, 2)]), id="id", vector="v", dims=3, metric="l2")
    assert valid.ids == ["a", "c", "d", "c"]
    assert valid.vectors.shape == (4, 3)
    assert [(row.offset, row.id, row.error) for row in valid.refused] == [
        (1, "b", "text_not_utf8"),
        (4, "b", "text_not_utf8"),
    ]
    assert "column 'title' holds a text that is not UTF-8: invalid start byte at byte 1" in valid.refused[0].reason


def test_texts_that_no_row_shows_refuse_no_row() -> None:
    words = texts(b"good", b"\xff", b"more")
    columns = {
        "unused": pa.DictionaryArray.from_arrays(pa.array([0, 2]), words),
        "null_list": pa.ListArray.from_arrays([0, 2, 3], words, mask=pa.array([True, False])),
        "null_struct": pa.StructArray.from_arrays([words[1:]], ["text"], mask=pa.array([True, False])),
        "raw": pa.array([b"\xff", b"\xfe"]),
    }
    table = pa.table({"id": ["a", "b"], "v": pa.array([[1, 2, 3]] * 2, SINGLES), **columns})
    assert validate_rows(table, id="id", vector="v", dims=3, metric="l2").refused == []


def test_a_text_is_the_last_reason() -> None:
    table = pa.table({"id": ["", "b"], "v": pa.array([[1, 2, 3], None], SINGLES), "title": texts(b"\xff", b"\xff")})
    valid = validate_rows(table, id="id", vector="v", dims=3, metric="l2")
    assert [row.error for row in valid.refused] == ["empty_id", "null_vector"]


@pytest.mark.parametrize(("nothing", "error"), [("id", "null_id"), ("v", "null_vector")])
def test_columns_of_type_null_refuse_every_row(nothing: str, error: str) -> None:
    columns = {"id": pa.array(["a", "b"]), "v": pa.array([[1, 2, 3]] * 2, SINGLES), nothing: pa.nulls(2)}
    valid = validate_rows(pa.table(columns), id="id", vector="v", dims=3, metric="cosine")
    assert [(row.offset, row.error) for row in valid.refused] == [(0, error), (1, error)]
    assert (valid.ids, valid.vectors.shape, valid.vectors.dtype) == ([], (0, 3), np.float32)


def test_the_first_reason_is_the_id() -> None:
    assert refused(None, None).error == "null_id"


@pytest.mark.parametrize(
    ("type_", "vector"),
    [(SINGLES, [1e15, -1e15, 1e15]), (SINGLES, [1e-25, 0, 0]), (SINGLES, [0, 0, 0]), (HALVES, [65_504, 6e-8, -0.0])],
)
def test_extremes_that_the_server_takes_under_l2_are_kept(type_: pa.DataType, vector: list[float]) -> None:
    table = pa.table({"id": ["a"], "v": pa.array([vector], type_)})
    valid = validate_rows(table, id="id", vector="v", dims=3, metric="l2")
    expected = np.array([vector], type_.value_type.to_pandas_dtype()).astype(np.float32)
    assert valid.vectors.tolist() == expected.tolist()


def test_a_fixed_size_of_another_width_refuses_every_row() -> None:
    vectors = pa.array([[1, 2], None], pa.list_(pa.float32(), 2))
    valid = validate_rows(pa.table({"id": ["a", "b"], "v": vectors}), id="id", vector="v", dims=3, metric="l2")
    assert [row.error for row in valid.refused] == ["wrong_length", "null_vector"]


def test_integer_ids_become_their_digits() -> None:
    table = pa.table({"id": pa.array([2**64 - 1, 0, None], pa.uint64()), "v": pa.array([[1, 2, 3]] * 3, SINGLES)})
    valid = validate_rows(table, id="id", vector="v", dims=3, metric="l2")
    assert valid.ids == ["18446744073709551615", "0"]
    assert valid.offsets.tolist() == [0, 1]


def test_good_singles_are_not_copied() -> None:
    numbers = np.arange(12, dtype=np.float32)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(numbers), 3)
    valid = validate_rows(pa.table({"id": list("abcd"), "v": vectors}), id="id", vector="v", dims=3, metric="l2")
    assert np.shares_memory(valid.vectors, numbers)


@pytest.mark.parametrize("type_", [pa.list_(pa.float32(), 3), SINGLES, pa.large_list(pa.float32())], ids=str)
def test_rows_in_the_middle_of_an_array(type_: pa.DataType) -> None:
    vectors = pa.array([[1, 2, 3], [4, 5, 6], [7, 8, None], [9, 10, 11], [12, 13, 14]], type_)
    table = pa.table({"id": list("abcde"), "v": vectors})
    clean = validate_rows(table.slice(3, 1), id="id", vector="v", dims=3, metric="l2")
    assert (clean.ids, clean.vectors.tolist()) == (["d"], [[9, 10, 11]])
    mixed = validate_rows(table.slice(1, 3), id="id", vector="v", dims=3, metric="l2")
    assert (mixed.ids, mixed.vectors.tolist()) == (["b", "d"], [[4, 5, 6], [9, 10, 11]])
    assert [(row.offset, row.id, row.error) for row in mixed.refused] == [(1, "c", "null_element")]


def test_a_null_list_that_hides_numbers_is_null() -> None:
    hidden = pa.ListArray.from_arrays(
        [0, 3, 6], pa.array([1.0, 2, 3, 4, 5, 6], pa.float32()), mask=pa.array([True, False])
    )
    valid = validate_rows(pa.table({"id": ["a", "b"], "v": hidden}), id="id", vector="v", dims=3, metric="l2")
    assert valid.vectors.tolist() == [[4, 5, 6]]
    assert [row.error for row in valid.refused] == ["null_vector"]


def test_no_rows() -> None:
    table = pa.table({"id": pa.array([], pa.string()), "v": pa.array([], SINGLES)})
    valid = validate_rows(table, id="id", vector="v", dims=3, metric="cosine")
    assert (valid.offsets.shape, valid.ids, valid.vectors.shape, valid.refused) == ((0,), [], (0, 3), [])
