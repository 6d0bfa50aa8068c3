"""Converts an Arrow list column to a matrix without looping over rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.types as types

from lsh_core.errors import SchemaError
from lsh_core.sources.arrays import AnyArray, AnyType, Column, as_one_array, null_flags
from lsh_core.sources.common_types import is_number
from lsh_core.sources.plain_types import is_list

ListArray: TypeAlias = "pa.ListArray[Any] | pa.LargeListArray[Any] | pa.FixedSizeListArray[Any, Any]"
Numbers: TypeAlias = npt.NDArray[np.floating | np.integer]


@dataclass(frozen=True)
class ListShape:
    """Lengths and nulls of the rows of a list column.

    Attributes
    ----------
    is_null
        (n,) bool: the whole list is null.
    lengths
        (n,) int64: numbers of each row, 0 for a null row.
    null_elements
        (n,) int64: nulls among the numbers of each row, null lists included.
    """

    is_null: npt.NDArray[np.bool_]
    lengths: npt.NDArray[np.int64]
    null_elements: npt.NDArray[np.int64]


def as_list_array(column: Column) -> ListArray:
    """Return a plain column of lists as one array; a null column as null lists."""
    array = as_one_array(column)
    if isinstance(array, pa.NullArray):
        return pa.nulls(len(array), pa.list_(pa.float32()))
    if not isinstance(array, pa.ListArray | pa.LargeListArray | pa.FixedSizeListArray):
        raise TypeError(f"not a list column: {array.type}")
    return array


def check_vector_type(type_: AnyType, *, where: str, column: str) -> None:
    """Raise `SchemaError` unless values of the plain type `type_` can be vectors."""
    if not types.is_null(type_) and not is_vector_type(type_):
        reason = f"is {type_}; vectors must be lists of numbers (floats, integers or decimals)"
        raise SchemaError(where, column, reason)


def is_vector_type(type_: AnyType) -> bool:
    """Return whether the plain type `type_` is a list of numbers or nulls."""
    if not is_list(type_):
        return False
    value: pa.DataType = type_.value_type
    return is_number(value) or types.is_null(value)


def list_shape(array: ListArray) -> ListShape:
    """Return null lists, lengths and null elements of each row."""
    count = len(array)
    is_null = null_flags(array)
    numbers, borders = values_and_borders(array)
    lengths = np.where(is_null, 0, np.diff(borders))
    null_elements = np.zeros(count, np.int64)
    if numbers.null_count:
        at = np.flatnonzero(null_flags(numbers))
        rows = np.searchsorted(borders, at, side="right") - 1
        null_elements = np.bincount(rows, minlength=count).astype(np.int64)
    return ListShape(is_null, lengths, null_elements)


def matrix(array: ListArray, dims: int) -> Numbers:
    """Return the numbers of a column without null lists, null elements or other lengths.

    Returns
    -------
    (n, dims) array
        Numbers of the column's own type; a read-only view of Arrow's memory.
    """
    numbers, _ = values_and_borders(array)
    if types.is_decimal(numbers.type):
        numbers = numbers.cast(pa.float64())
    elif types.is_null(numbers.type):  # All lists are empty, so there is no number.
        numbers = pa.nulls(len(numbers), pa.float32())
    return _values_view(numbers).reshape(len(array), dims)


def values_and_borders(array: ListArray) -> tuple[AnyArray, npt.NDArray[np.int64]]:
    """Return the flat values of all rows, and the n + 1 row borders.

    ``flatten()`` is not used: it drops null rows, so that positions no longer identify rows.
    """
    if isinstance(array, pa.FixedSizeListArray):
        size = array.type.list_size
        fixed: AnyArray = array.values.slice(array.offset * size, len(array) * size)
        return fixed, np.arange(len(array) + 1, dtype=np.int64) * size
    offsets = array.offsets.to_numpy().astype(np.int64)
    variable: AnyArray = array.values.slice(offsets[0], offsets[-1] - offsets[0])
    return variable, offsets - offsets[0]


def _values_view(numbers: AnyArray) -> Numbers:
    """View the numbers in Arrow's memory (``to_numpy`` copies float16 and arrays with nulls)."""
    dtype = np.dtype(numbers.type.to_pandas_dtype())
    buffer = numbers.buffers()[1]
    if buffer is None or len(numbers) == 0:
        return np.zeros(len(numbers), dtype)
    view: Numbers = np.frombuffer(memoryview(buffer), dtype, len(numbers), numbers.offset * dtype.itemsize)
    return view
