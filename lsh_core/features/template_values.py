"""Converts column values to Python for texts, nanoseconds and far years included.

With pandas installed, Arrow converts nanoseconds to pandas' times; otherwise it refuses times finer than a microsecond.
Here the text is that of pandas in both cases. A value without a text is reported by row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.types as types

from lsh_core.sources.arrays import Column

_NO_TEXT = "<value out of range"
"""Arrow's text for a time with an unsupported year."""


def exact_values(column: Column) -> tuple[list[Any], dict[int, str]]:
    """Return the values of a column, and a reason by row without a text.

    The value of such a row is None.
    """
    if not _holds_times(column.type):
        return column.to_pylist(), {}
    values: list[Any] = []
    faults: dict[int, str] = {}
    for row, scalar in enumerate(column):
        try:
            values.append(_value(scalar))
        except (ValueError, OverflowError, LookupError, pa.ArrowException) as error:
            values.append(None)
            faults[row] = f"holds a value of type {scalar.type} that cannot be written as a text: {error}"
    return values, faults


def _holds_times(type_: pa.DataType) -> bool:
    if isinstance(type_, pa.DictionaryType):
        return _holds_times(type_.value_type)
    if types.is_nested(type_):
        return any(_holds_times(type_.field(child).type) for child in range(type_.num_fields))
    return types.is_temporal(type_)


def _value(scalar: Any) -> Any:
    if not scalar.is_valid:
        return None
    if isinstance(scalar, pa.DictionaryScalar):
        return _value(scalar.value)
    if isinstance(scalar, pa.MapScalar):
        return [tuple(map(_value, scalar[place])) for place in range(len(scalar))]
    if isinstance(scalar, pa.ListScalar):
        return [_value(each) for each in scalar]
    if isinstance(scalar, pa.StructScalar):
        return {name: _value(each) for name, each in scalar.items()}
    if getattr(scalar.type, "unit", None) == "ns":
        return _of_nanoseconds(scalar)
    try:
        return scalar.as_py()
    except (ValueError, OverflowError):
        if types.is_duration(scalar.type):
            raise
        return _by_arrow(scalar)


def _of_nanoseconds(scalar: Any) -> Any:
    """Return the time; with a remainder of nanoseconds, its text with nine decimals."""
    microseconds, left = divmod(scalar.cast(pa.int64()).as_py(), 1_000)
    time = pa.scalar(microseconds, pa.int64()).cast(_MICROSECONDS[scalar.type.id](scalar.type)).as_py()
    if not left:
        return time
    if types.is_duration(scalar.type):
        whole, _, fraction = str(time).partition(".")
        return f"{whole}.{fraction or '000000'}{left:03d}"
    text = str(time.isoformat(timespec="microseconds")).replace("T", " ")
    end = text.index(".") + 7
    return f"{text[:end]}{left:03d}{text[end:]}"


_MICROSECONDS: dict[int, Callable[[Any], pa.DataType]] = {
    pa.timestamp("ns").id: lambda type_: pa.timestamp("us", type_.tz),
    pa.time64("ns").id: lambda type_: pa.time64("us"),
    pa.duration("ns").id: lambda type_: pa.duration("us"),
}


def _by_arrow(scalar: Any) -> str:
    """Return Arrow's text for a time outside Python's years; Arrow supports 65,000 years."""
    text = str(scalar.cast(pa.string()).as_py())
    if text.startswith(_NO_TEXT):
        raise ValueError("it is in no year that is known")
    return text
