"""Joins the parts of an Arrow column, and returns its nulls."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

AnyArray: TypeAlias = "pa.Array[Any]"
AnyType: TypeAlias = Any
"""An Arrow type whose kind is looked up at run time; pyarrow's stubs have no common attribute for it."""
Column: TypeAlias = "pa.Array[Any] | pa.ChunkedArray[Any]"
Flags: TypeAlias = npt.NDArray[np.bool_]


def as_one_array(column: Column) -> AnyArray:
    """Return the column as one array; a column of one part is not copied."""
    if not isinstance(column, pa.ChunkedArray):
        return column
    # Each part of a dictionary column may have its own dictionary.
    parts = column.unify_dictionaries().chunks if pa.types.is_dictionary(column.type) else column.chunks
    if len(parts) == 1:  # concatenating would copy it
        return parts[0]
    one: AnyArray = pa.concat_arrays(parts or [pa.array([], column.type)])
    return one


def null_flags(array: AnyArray) -> Flags:
    """Return which elements are null, (n,) bool."""
    if not array.null_count:
        return np.zeros(len(array), bool)
    flags: Flags = np.asarray(array.is_null().to_numpy(zero_copy_only=False), bool)
    return flags
