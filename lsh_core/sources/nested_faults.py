"""Finds faults of values inside lists and structs, by row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.types as types

from lsh_core.sources.arrays import AnyArray
from lsh_core.sources.plain_types import is_list, list_lengths

Faults: TypeAlias = dict[int, str]
"""Faults by row."""

Reason: TypeAlias = tuple[str, str]
"""Kind of error and sentence for a refused row."""

LeafFaults = Callable[[AnyArray], Faults]
"""Finds the faults of an array that is not nested."""


def nested_faults(array: Any, of_leaf: LeafFaults) -> Faults:
    """Return the first fault of each row of a plain array.

    Values under a null list or struct have no fault.
    """
    if isinstance(array, pa.StructArray):
        faults: Faults = {}
        for child in array.flatten():  # values under a null row are null in it
            faults = nested_faults(child, of_leaf) | faults
        return faults
    if is_list(array.type):
        found = nested_faults(array.flatten(), of_leaf)
        if not found:
            return {}
        rows = rows_of_items(array)
        return {int(rows[item]): found[item] for item in sorted(found, reverse=True)}
    return of_leaf(array)


def rows_of_items(array: AnyArray) -> npt.NDArray[np.int64]:
    """Return the row of each item that ``array.flatten()`` holds, (m,) int64."""
    return np.repeat(np.arange(len(array), dtype=np.int64), list_lengths(array))


def holds(type_: pa.DataType, is_leaf: Callable[[pa.DataType], bool]) -> bool:
    """Return whether `is_leaf` is true for a plain type or a nested one."""
    if types.is_nested(type_):
        return any(holds(type_.field(child).type, is_leaf) for child in range(type_.num_fields))
    return is_leaf(type_)
