"""Columns as Arrow arrays: one out of several parts, and of types that Arrow can select rows of."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

AnyArray: TypeAlias = "pa.Array[Any]"
Column: TypeAlias = "pa.Array[Any] | pa.ChunkedArray[Any]"
Flags: TypeAlias = npt.NDArray[np.bool_]


def as_one_array(column: Column) -> AnyArray:
    """Return the column as one array; only a column of several parts is copied."""
    if not isinstance(column, pa.ChunkedArray):
        return column
    # Parts of a dictionary column may each have a dictionary of their own.
    parts = column.unify_dictionaries().chunks if pa.types.is_dictionary(column.type) else column.chunks
    if len(parts) == 1:  # concatenating would copy it
        return parts[0]
    one: AnyArray = pa.concat_arrays(parts or [pa.array([], column.type)])
    return one


def without_views(column: Column) -> Column:
    """Return the column with its texts and bytes in one piece, not as views: Arrow cannot select rows of those."""
    type_ = _without_views(column.type)
    return column if type_ == column.type else column.cast(type_)


def _without_views(type_: pa.DataType) -> pa.DataType:
    if pa.types.is_string_view(type_):
        return pa.large_string()
    if pa.types.is_binary_view(type_):
        return pa.large_binary()
    if isinstance(type_, pa.DictionaryType) and _without_views(type_.value_type) != type_.value_type:
        return _without_views(type_.value_type)
    if isinstance(type_, pa.StructType):
        return pa.struct([_field_without_views(type_.field(number)) for number in range(type_.num_fields)])
    if isinstance(type_, pa.ListType):
        return pa.list_(_field_without_views(type_.value_field))
    if isinstance(type_, pa.LargeListType):
        return pa.large_list(_field_without_views(type_.value_field))
    if isinstance(type_, pa.FixedSizeListType):
        return pa.list_(_field_without_views(type_.value_field), type_.list_size)
    return type_


def _field_without_views(field: pa.Field[Any]) -> pa.Field[Any]:
    return field.with_type(_without_views(field.type))


def null_flags(array: AnyArray) -> Flags:
    """Return which elements are null, (n,) bool."""
    if not array.null_count:
        return np.zeros(len(array), bool)
    flags: Flags = np.asarray(array.is_null().to_numpy(zero_copy_only=False), bool)
    return flags
