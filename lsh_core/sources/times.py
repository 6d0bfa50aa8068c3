"""Finds dates and times that no document can hold.

A date, or a timestamp in UTC, must lie in the years 1 to 9999: ISO 8601 writes a year in four digits, and readers of
dates need not accept more. A time of day must be less than one day.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as types

from lsh_core.sources.arrays import AnyArray, AnyType, Column, as_one_array
from lsh_core.sources.common_types import is_moment
from lsh_core.sources.nested_faults import Faults, holds, nested_faults

_FIRST_DAY = date.min.toordinal() - date(1970, 1, 1).toordinal()
_LAST_DAY = date.max.toordinal() - date(1970, 1, 1).toordinal()
_SECONDS_PER_DAY = 86_400
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_DAYS_PER_CYCLE = 146_097
"""Days of 400 years, the period of the calendar."""


def time_faults(column: Column) -> Faults:
    """Return the faults of rows with dates or times out of range."""
    if not holds(column.type, lambda type_: is_moment(type_) or types.is_time(type_)):
        return {}
    return nested_faults(as_one_array(column), _faults_of_times)


def _faults_of_times(array: AnyArray) -> Faults:
    if is_moment(array.type):
        ticks = _ticks_per_day(array.type)
        first, stop = _FIRST_DAY * ticks, (_LAST_DAY + 1) * ticks
    elif types.is_time(array.type):
        ticks = _ticks_per_day(array.type)
        first, stop = 0, ticks
    else:
        return {}
    integers = array.cast(pa.int32() if array.type.bit_width == 32 else pa.int64())
    limits: Any = pc.min_max(integers).as_py()
    if limits["min"] is None or (first <= limits["min"] and limits["max"] < stop):
        return {}
    values = integers.fill_null(first).to_numpy(zero_copy_only=False).astype(object)
    return {
        int(row): _fault(array.type, values[row], ticks)
        for row in np.flatnonzero(np.array([not first <= value < stop for value in values]))
    }


def _fault(type_: AnyType, value: int, ticks: int) -> str:
    if types.is_time(type_):
        return f"holds {value / ticks * 24:,.2f} hours as a time of day; 0 to 24 are possible"
    cycle, day = divmod(value // ticks - _FIRST_DAY, _DAYS_PER_CYCLE)
    year = 400 * cycle + date.fromordinal(day + 1).year
    return f"holds a date of the year {year:,}; dates of the years 1 to 9999 are indexed"


def _ticks_per_day(type_: AnyType) -> int:
    if types.is_date32(type_):
        return 1
    if types.is_date64(type_):
        return _SECONDS_PER_DAY * _PER_SECOND["ms"]
    return _SECONDS_PER_DAY * _PER_SECOND[str(type_.unit)]
