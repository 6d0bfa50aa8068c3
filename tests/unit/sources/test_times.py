"""Dates and times at the edges of what a document can hold."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from lsh_core.builds.field_types import as_json_columns, fields_for
from lsh_core.sources.times import time_faults

FIRST, LAST = -62135596800, 253402300799  # 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z


def as_json(column: pa.Array) -> list[Any]:
    table = pa.table({"at": column})
    fields = fields_for("s", table.schema, vector="v")
    return as_json_columns(table, fields).column("at").to_pylist()


@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Kolkata", "+05:30", "-08:00"])
@pytest.mark.parametrize(("unit", "factor"), [("s", 1), ("ms", 10**3), ("us", 10**6)])
def test_every_timestamp_of_the_years_1_to_9999_is_its_moment(unit: str, factor: int, zone: str | None) -> None:
    values = [FIRST, -1, 0, LAST]
    column = pa.array([value * factor for value in values], pa.timestamp(unit, zone))  # type: ignore[arg-type]
    assert time_faults(column) == {}
    texts = [text.partition(".")[0].rstrip("Z") for text in as_json(column)]
    assert texts == ["0001-01-01T00:00:00", "1969-12-31T23:59:59", "1970-01-01T00:00:00", "9999-12-31T23:59:59"]


def test_nanoseconds_are_the_moment_over_their_whole_range() -> None:
    column = pa.array([-(2**63) + 1, -1, 2**63 - 1], pa.timestamp("ns"))
    assert time_faults(column) == {}
    assert as_json(column) == [
        "1677-09-21T00:12:43.145224193Z",
        "1969-12-31T23:59:59.999999999Z",
        "2262-04-11T23:47:16.854775807Z",
    ]


@pytest.mark.parametrize(
    ("column", "year"),
    [
        (pa.array([LAST + 1], pa.timestamp("s")), "10,000"),
        (pa.array([(FIRST - 1) * 10**3], pa.timestamp("ms", "UTC")), "0"),
        (pa.array([2**62], pa.timestamp("us")), "148,108"),
        (pa.array([2**62], pa.timestamp("s")), "146,138,514,283"),
        (pa.array([2932897], pa.date32()), "10,000"),
        (pa.array([-(2**31)], pa.date32()), "-5,877,641"),
        (pa.array([-719163 * 86_400_000], pa.date64()), "0"),
    ],
    ids=lambda each: str(getattr(each, "type", each)),
)
def test_other_years_are_faults_wherever_they_are_nested(column: pa.Array, year: str) -> None:
    reason = f"holds a date of the year {year}; dates of the years 1 to 9999 are indexed"
    good = pa.nulls(1, column.type)
    both = pa.concat_arrays([good, column])
    assert time_faults(both) == {1: reason}
    assert time_faults(pa.StructArray.from_arrays([both], ["at"])) == {1: reason}
    assert time_faults(pa.ListArray.from_arrays([0, 0, 1, 2], both)) == {2: reason}
    assert time_faults(pa.FixedSizeListArray.from_arrays(both, 2)) == {0: reason}


@pytest.mark.parametrize(
    ("type_", "day"),
    [(pa.time32("s"), 86_400), (pa.time32("ms"), 86_400_000), (pa.time64("us"), 86_400 * 10**6)],
    ids=str,
)
def test_a_time_of_day_is_less_than_a_day(type_: pa.DataType, day: int) -> None:
    column = pa.array([0, day - 1, None, day, -1], type_)
    faults = time_faults(column)
    assert sorted(faults) == [3, 4]
    assert faults[3] == "holds 24.00 hours as a time of day; 0 to 24 are possible"


def test_what_lies_under_a_null_is_no_fault() -> None:
    far = pa.array([LAST + 1], pa.timestamp("s"))
    assert time_faults(pa.StructArray.from_arrays([far], ["at"], mask=pa.array([True]))) == {}
    assert time_faults(pa.ListArray.from_arrays([0, 1], far, mask=pa.array([True]))) == {}
