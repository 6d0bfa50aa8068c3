"""Finds the type that holds every value of two columns without loss.

A column may have different types in two files. `common_type` returns the type that both are read as. Types are plain
(`lsh_core.sources.plain_types`).

====================================  ==============================================================
one file, the other                   common type
====================================  ==============================================================
null, any                             the other one
integers                              the narrowest integer that holds both; decimal128(20, 0) for
                                      uint64 beside a signed one
integer, float; floats                double; the wider float
integer, decimal; decimals            a decimal with the digits of both before and behind the point
string, large_string                  large_string
binary of any length                  large_binary
date, timestamp; timestamps           a timestamp of the finer unit; UTC unless the zones are equal
times, durations                      the finer unit
lists                                 a list of the common type of the values; fixed size if both are
structs                               all fields of both, each of its common type
====================================  ==============================================================

An integer beyond 2^53 has no exact double. `lsh_core.sources.fitting` finds such values row by row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.types as types

from lsh_core.sources.arrays import AnyType
from lsh_core.sources.plain_types import is_list

_UNITS = ("s", "ms", "us", "ns")
_SIGNED = (pa.int8(), pa.int16(), pa.int32(), pa.int64())
_FLOATS = (pa.float16(), pa.float32(), pa.float64())
_DIGITS = {8: 3, 16: 5, 32: 10, 64: 20}
_MAX_DECIMAL_DIGITS = 76

Merge = Callable[[AnyType, AnyType], AnyType | None]


def common_type(first: AnyType, second: AnyType) -> AnyType | None:
    """Return the plain type that holds the values of both, or None."""
    if first == second:
        return first
    if types.is_null(first):
        return second
    if types.is_null(second):
        return first
    for belongs, merge in _FAMILIES:
        if belongs(first) and belongs(second):
            return merge(first, second)
    return None


def is_text(type_: pa.DataType) -> bool:
    """Return whether `type_` is a plain type of texts."""
    return types.is_string(type_) or types.is_large_string(type_)


def is_moment(type_: AnyType) -> bool:
    """Return whether values of `type_` are points in time: dates or timestamps."""
    return types.is_date(type_) or types.is_timestamp(type_)


def is_number(type_: AnyType) -> bool:
    """Return whether `type_` is an integer, a float or a decimal."""
    return types.is_integer(type_) or types.is_floating(type_) or types.is_decimal(type_)


def _is_binary(type_: AnyType) -> bool:
    return types.is_binary(type_) or types.is_large_binary(type_) or types.is_fixed_size_binary(type_)


def _common_number(first: AnyType, second: AnyType) -> AnyType | None:
    if types.is_decimal(first) or types.is_decimal(second):
        return _common_decimal(first, second)
    if types.is_integer(first) and types.is_integer(second):
        return _common_integer(first, second)
    if types.is_integer(first) or types.is_integer(second):
        return pa.float64()
    return max(first, second, key=_FLOATS.index)


def _common_integer(first: AnyType, second: AnyType) -> AnyType:
    if types.is_signed_integer(first) == types.is_signed_integer(second):
        return max(first, second, key=lambda each: int(each.bit_width))
    signed, unsigned = (first, second) if types.is_signed_integer(first) else (second, first)
    wide = [each for each in _SIGNED if each.bit_width >= signed.bit_width and each.bit_width > unsigned.bit_width]
    return wide[0] if wide else pa.decimal128(_DIGITS[64], 0)


def _common_decimal(first: AnyType, second: AnyType) -> AnyType | None:
    if types.is_floating(first) or types.is_floating(second):
        return None
    whole = max(_whole_digits(first), _whole_digits(second))
    scale = max(_scale(first), _scale(second))
    if whole + scale > _MAX_DECIMAL_DIGITS:
        return None
    return pa.decimal128(whole + scale, scale) if whole + scale <= 38 else pa.decimal256(whole + scale, scale)


def _whole_digits(type_: AnyType) -> int:
    return _DIGITS[type_.bit_width] if types.is_integer(type_) else int(type_.precision - type_.scale)


def _scale(type_: AnyType) -> int:
    return 0 if types.is_integer(type_) else int(type_.scale)


def _common_moment(first: AnyType, second: AnyType) -> AnyType:
    if types.is_date(first) and types.is_date(second):
        return pa.date64()
    if not isinstance(first, pa.TimestampType):
        return second
    if not isinstance(second, pa.TimestampType):
        return first
    return pa.timestamp(_finer(first, second), first.tz if first.tz == second.tz else "UTC")


def _common_time(first: AnyType, second: AnyType) -> AnyType:
    unit = _finer(first, second)
    return pa.time32(unit) if unit in ("s", "ms") else pa.time64(unit)


def _finer(first: AnyType, second: AnyType) -> Any:
    return max(first.unit, second.unit, key=_UNITS.index)


def _common_list(first: AnyType, second: AnyType) -> AnyType | None:
    value = common_type(first.value_type, second.value_type)
    if value is None:
        return None
    if isinstance(first, pa.FixedSizeListType) and isinstance(second, pa.FixedSizeListType):
        if first.list_size == second.list_size:
            return pa.list_(value, first.list_size)
    elif isinstance(first, pa.ListType) and isinstance(second, pa.ListType):
        return pa.list_(value)
    return pa.large_list(value)


def _common_struct(first: AnyType, second: AnyType) -> AnyType | None:
    merged: dict[str, pa.DataType] = {}
    for field in (*first, *second):
        common = common_type(merged.get(field.name, pa.null()), field.type)
        if common is None:
            return None
        merged[field.name] = common
    return pa.struct(list(merged.items()))


_FAMILIES: tuple[tuple[Callable[[AnyType], bool], Merge], ...] = (
    (is_number, _common_number),
    (is_text, lambda first, second: pa.large_string()),
    (_is_binary, lambda first, second: pa.large_binary()),
    (is_moment, _common_moment),
    (types.is_time, _common_time),
    (types.is_duration, lambda first, second: pa.duration(_finer(first, second))),
    (is_list, _common_list),
    (types.is_struct, _common_struct),
)
