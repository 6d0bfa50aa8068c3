"""Common types of two files, and how the values of each file are fitted to them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from lsh_core.sources.common_types import common_type
from lsh_core.sources.fitting import fit

STRUCT = pa.struct([("a", pa.int8())])

# Two types, their common one, and a value of each.
TABLE: list[tuple[pa.DataType, pa.DataType, pa.DataType, Any, Any]] = [
    (pa.null(), pa.date32(), pa.date32(), None, dt.date(2024, 1, 1)),
    (pa.int32(), pa.int64(), pa.int64(), -5, 2**62),
    (pa.uint8(), pa.int8(), pa.int16(), 255, -128),
    (pa.uint16(), pa.int64(), pa.int64(), 65535, -1),
    (pa.uint32(), pa.int8(), pa.int64(), 2**32 - 1, -1),
    (pa.uint64(), pa.uint8(), pa.uint64(), 2**64 - 1, 1),
    (pa.uint64(), pa.int64(), pa.decimal128(20, 0), 2**64 - 1, -(2**63)),
    (pa.float16(), pa.float32(), pa.float32(), 1.5, 0.25),
    (pa.float32(), pa.float64(), pa.float64(), 0.25, 1e300),
    (pa.int32(), pa.float32(), pa.float64(), 2**31 - 1, 0.5),
    (pa.int64(), pa.float64(), pa.float64(), 2**53, 0.5),
    (pa.decimal128(5, 2), pa.decimal128(10, 0), pa.decimal128(12, 2), Decimal("1.50"), Decimal(9999999999)),
    (pa.decimal32(5, 2), pa.int32(), pa.decimal128(12, 2), Decimal("-1.50"), -(2**31)),
    (pa.decimal128(38, 0), pa.decimal128(38, 38), pa.decimal256(76, 38), Decimal(10) ** 37, Decimal("1e-38")),
    (pa.string(), pa.large_string(), pa.large_string(), "a", "b"),
    (pa.binary(2), pa.binary(), pa.large_binary(), b"ab", b"c"),
    (pa.timestamp("us"), pa.timestamp("s"), pa.timestamp("us"), dt.datetime(9999, 12, 31), dt.datetime(1, 1, 1)),
    (pa.timestamp("us", "UTC"), pa.timestamp("us"), pa.timestamp("us", "UTC"), None, None),
    (pa.date32(), pa.timestamp("ms"), pa.timestamp("ms"), dt.date(1, 1, 1), dt.datetime(2024, 1, 1)),
    (pa.time32("s"), pa.time64("us"), pa.time64("us"), dt.time(1, 2, 3), dt.time(1, 2, 3, 4)),
    (pa.duration("s"), pa.duration("ns"), pa.duration("ns"), dt.timedelta(seconds=1), dt.timedelta(seconds=2)),
    (pa.list_(pa.int8()), pa.list_(pa.null()), pa.list_(pa.int8()), [1, None], []),
    (pa.list_(pa.float32(), 2), pa.list_(pa.float64(), 2), pa.list_(pa.float64(), 2), [1, 2], [0.5, 1]),
    (pa.list_(pa.int8(), 2), pa.list_(pa.int64()), pa.large_list(pa.int64()), [1, 2], [3]),
    (STRUCT, pa.struct([("b", pa.string())]), pa.struct([("a", pa.int8()), ("b", pa.string())]), {"a": 1}, {"b": "x"}),
    (pa.list_(STRUCT), pa.list_(pa.struct([("a", pa.int16())])), pa.list_(pa.struct([("a", pa.int16())])), None, None),
]  # fmt: skip


@pytest.mark.parametrize(("first", "second", "common", "of_first", "of_second"), TABLE, ids=lambda each: str(each)[:30])
def test_both_files_are_read_as_the_common_type(
    first: pa.DataType, second: pa.DataType, common: pa.DataType, of_first: Any, of_second: Any
) -> None:
    assert common_type(first, second) == common
    assert {str(common_type(second, first))} <= {str(common), str(pa.struct([("b", pa.string()), ("a", pa.int8())]))}
    for type_, value in ((first, of_first), (second, of_second)):
        given = pa.table({"x": pa.array([value, None], type_)})
        fitted = fit(given, pa.schema([("x", common)]))
        assert fitted.faults == {}
        assert fitted.table.schema.field("x").type == common
        expected = {"a": None, "b": None, **value} if isinstance(value, dict) else value
        if isinstance(value, dt.date) and not isinstance(value, dt.datetime) and pa.types.is_timestamp(common):
            expected = dt.datetime(value.year, value.month, value.day)
        found = fitted.table.column("x").to_pylist()
        assert found == [expected, None] or found == [expected, {"a": None, "b": None}]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (pa.string(), pa.int64()),
        (pa.bool_(), pa.int8()),
        (pa.decimal128(5, 2), pa.float64()),
        (pa.string(), pa.binary()),
        (pa.date32(), pa.string()),
        (pa.time32("s"), pa.timestamp("s")),
        (pa.decimal256(76, 0), pa.decimal256(76, 76)),
        (pa.list_(pa.string()), pa.string()),
        (pa.list_(pa.string()), pa.list_(pa.int8())),
        (STRUCT, pa.struct([("a", pa.string())])),
        (STRUCT, pa.list_(pa.int8())),
    ],
    ids=str,
)
def test_what_has_no_common_type(first: pa.DataType, second: pa.DataType) -> None:
    assert common_type(first, second) is None
    assert common_type(second, first) is None


@pytest.mark.parametrize(
    ("values", "type_", "common", "row"),
    [
        ([1, 2**53 + 1, None], pa.int64(), pa.float64(), 1),
        ([2**64 - 1, 1], pa.uint64(), pa.float64(), 0),
        ([[1], None, [], [5, 2**53 + 1]], pa.list_(pa.int64()), pa.list_(pa.float64()), 3),
        ([{"a": 1}, {"a": -(2**60) - 1}], pa.struct([("a", pa.int64())]), pa.struct([("a", pa.float64())]), 1),
        ([[0, 1], [2**53 + 1, 0]], pa.list_(pa.int64(), 2), pa.list_(pa.float64(), 2), 1),
        ([0, 253402214400], pa.timestamp("s"), pa.timestamp("ns"), 1),
        ([0, 10**12], pa.duration("s"), pa.duration("ns"), 1),
    ],
    ids=str,
)
def test_a_value_that_is_not_exact_is_told_by_row(
    values: list[Any], type_: pa.DataType, common: pa.DataType, row: int
) -> None:
    table = pa.table({"ok": range(len(values)), "x": pa.array(values, type_)})
    fitted = fit(table, pa.schema([("x", common)]))
    assert list(fitted.faults) == [row]
    column, fault = fitted.faults[row]
    assert column == "x"
    assert "does not hold exactly" in fault
    assert len(fitted.table) == len(values)
    others = [place for place in range(len(values)) if place != row]
    exact = pa.array(values, type_).take(others).cast(common)
    assert fitted.table.column("x").take(others).to_pylist() == exact.to_pylist()


def test_moments_may_stay_as_they_are() -> None:
    table = pa.table({"at": pa.array([253402214400], pa.timestamp("s")), "n": pa.array([1], pa.int8())})
    fitted = fit(table, pa.schema([("at", pa.timestamp("ns")), ("n", pa.int64())]), moments=False)
    assert fitted.faults == {}
    assert fitted.table.schema.types == [pa.timestamp("s"), pa.int64()]
