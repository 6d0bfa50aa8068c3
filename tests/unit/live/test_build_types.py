"""Live rows have the types of the build that they are written into, or are refused before anything is written."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from lsh_core.errors import SchemaError, SourceError
from lsh_core.live.build_types import fit_to_build

STRUCT = pa.struct([("a", pa.int32())])


def fitted(given: pa.DataType, value: Any, build: pa.DataType) -> pa.Array:
    table = pa.table({"c": pa.array([value], given), "other": [1]})
    return fit_to_build(table, pa.schema([("c", build), ("unused", pa.int8())]), "rows", 7).column("c")


@pytest.mark.parametrize(
    ("given", "value", "build", "written"),
    [
        (pa.duration("s"), dt.timedelta(seconds=1), pa.duration("ms"), dt.timedelta(seconds=1)),
        (pa.int64(), 5, pa.int32(), 5),
        (pa.int64(), 5, pa.uint64(), 5),
        (pa.int64(), 5, pa.decimal128(5, 2), Decimal("5.00")),
        (pa.decimal128(3, 1), Decimal("1.5"), pa.decimal128(5, 2), Decimal("1.50")),
        (pa.time64("us"), dt.time(1, 2), pa.time32("s"), dt.time(1, 2)),
        (pa.large_string(), "x", pa.string(), "x"),
        (pa.null(), None, STRUCT, None),
        (STRUCT, {"a": 1}, pa.struct([("a", pa.int32()), ("b", pa.string())]), {"a": 1, "b": None}),
        (pa.list_(pa.int64()), [1], pa.list_(pa.int8()), [1]),
    ],
    ids=str,
)
def test_values_are_written_as_the_build_has_them(
    given: pa.DataType, value: Any, build: pa.DataType, written: Any
) -> None:
    column = fitted(given, value, build)
    assert column.type == build
    assert column.to_pylist() == [written]


@pytest.mark.parametrize(
    ("given", "value", "build"),
    [
        (pa.float64(), 0.1, pa.float32()),
        (pa.int64(), 2**24 + 1, pa.float32()),
        (pa.string(), "2024-01-01", pa.timestamp("us")),
        (pa.timestamp("ns"), 1, pa.timestamp("s")),
    ],
    ids=str,
)
def test_what_json_says_alike_stays_as_it_is(given: pa.DataType, value: Any, build: pa.DataType) -> None:
    assert fitted(given, value, build).type == given


@pytest.mark.parametrize(
    ("given", "value", "build", "says"),
    [
        (pa.int64(), 1600000000, pa.timestamp("us"), r"is int64, and timestamp\[us\] in the index"),
        (pa.float64(), 1e-9, pa.decimal128(5, 2), "is double, and decimal128"),
        (pa.int64(), 1, pa.string(), "is int64, and string"),
        (pa.binary(), b"a", pa.string(), "is binary, and string"),
        (pa.string(), "é", pa.binary(), "is string, and binary"),
        (pa.int8(), 1, pa.bool_(), "is int8, and bool"),
        (pa.struct([("a", pa.int32()), ("z", pa.int8())]), None, STRUCT, "has the part 'z', which the index lacks"),
        (pa.list_(pa.struct([("z", pa.int8())])), None, pa.list_(STRUCT), "has the part 'z'"),
    ],
    ids=str,
)
def test_other_types_are_refused_with_both(given: pa.DataType, value: Any, build: pa.DataType, says: str) -> None:
    with pytest.raises(SchemaError, match=says):
        fitted(given, value, build)


@pytest.mark.parametrize(
    ("given", "value", "build"),
    [
        (pa.int64(), -1, pa.uint64()),
        (pa.int64(), 300, pa.int8()),
        (pa.decimal128(4, 3), Decimal("1.005"), pa.decimal128(5, 2)),
        (pa.decimal128(7, 2), Decimal("12345.67"), pa.decimal128(5, 2)),
        (pa.int64(), 10**6, pa.decimal128(5, 2)),
        (pa.duration("us"), dt.timedelta(microseconds=1), pa.duration("ms")),
    ],
    ids=str,
)
def test_a_value_that_the_build_does_not_hold_is_named_with_its_row(
    given: pa.DataType, value: Any, build: pa.DataType
) -> None:
    with pytest.raises(SourceError, match=r"row 7: column 'c' holds .* does not hold exactly; nothing of it written"):
        fitted(given, value, build)


def test_a_build_without_types_takes_rows_as_they_are() -> None:
    table = pa.table({"c": [1]})
    assert fit_to_build(table, pa.schema([]), "rows", 0) == table


def test_lists_of_any_length_keep_their_rows_where_the_build_has_a_fixed_length() -> None:
    rows = [[1, 2, 3], None, [4], [], [5, 6, 7]]
    table = pa.table({"c": pa.array(rows, pa.list_(pa.int64()))})
    column = fit_to_build(table, pa.schema([("c", pa.list_(pa.int8(), 3))]), "rows", 0).column("c")
    assert column.to_pylist() == rows
    assert column.type.value_type == pa.int8()
