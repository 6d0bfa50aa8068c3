"""Which texts times have, and which have none."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from lsh_core.features.template_values import exact_values

MOMENT = datetime(2020, 1, 2, 3, 4, 5, 678_000)
FAR = 2**62


@pytest.mark.parametrize(
    ("values", "type_"),
    [
        (["a", None], pa.string()),
        ([Decimal("1.50")], pa.decimal128(5, 2)),
        ([date(2020, 1, 2), None], pa.date32()),
        ([MOMENT, datetime(2020, 1, 2), None], pa.timestamp("us")),
        ([MOMENT.replace(tzinfo=UTC)], pa.timestamp("ms", "UTC")),
        ([time(1, 2, 3), time(1, 2, 3, 4)], pa.time64("us")),
        ([timedelta(days=-1, microseconds=7)], pa.duration("us")),
        ([[MOMENT, None], None], pa.list_(pa.timestamp("us"))),
        ([{"a": MOMENT, "b": 1}, None], pa.struct({"a": pa.timestamp("us"), "b": pa.int64()})),
        ([[("k", MOMENT)]], pa.map_(pa.string(), pa.timestamp("us"))),
        ([MOMENT, datetime(2020, 1, 2), None], pa.timestamp("ns")),
        ([MOMENT.replace(tzinfo=UTC)], pa.timestamp("ns", "UTC")),
        ([time(1, 2, 3)], pa.time64("ns")),
        ([timedelta(days=3)], pa.duration("ns")),
    ],
    ids=str,
)
def test_what_python_has_is_what_it_is(values: list[Any], type_: pa.DataType) -> None:
    assert exact_values(pa.array(values, type_)) == (values, {})


@pytest.mark.parametrize(
    ("value", "type_", "text"),
    [
        (1_234_567_891, pa.timestamp("ns"), "1970-01-01 00:00:01.234567891"),
        (1_000_000_007, pa.timestamp("ns"), "1970-01-01 00:00:01.000000007"),
        (-1, pa.timestamp("ns"), "1969-12-31 23:59:59.999999999"),
        (1, pa.timestamp("ns", "Asia/Kolkata"), "1970-01-01 05:30:00.000000001+05:30"),
        (123_456_789, pa.time64("ns"), "00:00:00.123456789"),
        (86_400 * 10**9 + 1, pa.duration("ns"), "1 day, 0:00:00.000000001"),
        (253_402_300_800, pa.timestamp("s"), "10000-01-01 00:00:00"),
    ],
    ids=str,
)
def test_what_python_lacks_has_its_text_all_the_same(value: int, type_: pa.DataType, text: str) -> None:
    column = pa.array([value, None], pa.int64()).cast(type_)
    assert exact_values(column) == ([text, None], {})
    assert exact_values(column.dictionary_encode()) == ([text, None], {})
    assert exact_values(pa.ListArray.from_arrays([0, 2], column)) == ([[text, None]], {})


@pytest.mark.parametrize("type_", [pa.timestamp("us"), pa.duration("s"), pa.timestamp("us", "Nowhere/Town")], ids=str)
def test_what_nobody_can_write_is_of_its_row(type_: pa.DataType) -> None:
    values, faults = exact_values(pa.chunked_array([pa.array([None, FAR], pa.int64()).cast(type_)]))
    assert values == [None, None]
    assert list(faults) == [1]
    assert f"holds a value of type {type_} that cannot be written as a text: " in faults[1]
