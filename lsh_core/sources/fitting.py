"""Casts the columns of one file to the common types of a source."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.types as types

from lsh_core.sources.arrays import AnyArray, AnyType, Column, as_one_array
from lsh_core.sources.common_types import is_moment
from lsh_core.sources.nested_faults import Faults, Reason, rows_of_items
from lsh_core.sources.plain_types import is_list, list_from_lengths

_ANY_INTEGER = pa.decimal128(20, 0)


@dataclass(frozen=True)
class Fitted:
    """A table with the wanted types, and the rows with inexact values.

    Attributes
    ----------
    table
        n rows; null where the wanted type does not hold a value exactly.
    faults
        For each row with such a value: the column, and a sentence about the value.
    """

    table: pa.Table
    faults: dict[int, tuple[str, str]] = field(default_factory=dict)

    @property
    def reasons(self) -> dict[int, Reason]:
        """The kind of error and the sentence for each refused row."""
        return {row: ("value_not_exact", f"column {name!r} {fault}") for row, (name, fault) in self.faults.items()}


def fit(table: pa.Table, schema: pa.Schema, *, moments: bool = True) -> Fitted:
    """Return the table with its columns cast to `schema`; other columns stay.

    Parameters
    ----------
    table
        Plain columns, each of a type that `common_type` merged into the type in `schema`.
    moments
        Whether dates and timestamps are cast. A document holds their text, which is exact in any unit.
    """
    faults: dict[int, tuple[str, str]] = {}
    for position, name in enumerate(table.column_names):
        if name not in schema.names:
            continue
        wanted = schema.field(name).type
        given = table.column(position)
        column, found = fit_column(given, wanted, moments=moments)
        if column is not given:
            table = table.set_column(position, pa.field(name, column.type), column)
        for row, fault in found.items():
            faults.setdefault(row, (name, fault))
    return Fitted(table, faults)


def fit_column(column: Column, wanted: AnyType, *, moments: bool = True) -> tuple[Column, Faults]:
    """Return the column cast to `wanted`, and the rows with inexact values."""
    if column.type == wanted:
        return column, {}
    return _fit(as_one_array(column), wanted, moments)


def _fit(array: AnyArray, wanted: AnyType, moments: bool) -> tuple[AnyArray, Faults]:
    if array.type == wanted or (not moments and is_moment(array.type) and is_moment(wanted)):
        return array, {}
    if isinstance(array, pa.NullArray):
        return pa.nulls(len(array), wanted), {}
    if isinstance(array, pa.StructArray):
        return _fit_struct(array, wanted, moments)
    if is_list(array.type):
        return _fit_list(array, wanted, moments)
    return _cast_exactly(array, wanted)


def _fit_struct(array: pa.StructArray, wanted: AnyType, moments: bool) -> tuple[AnyArray, Faults]:
    children = dict(zip((child.name for child in array.type), array.flatten(), strict=True))
    fitted: list[AnyArray] = []
    faults: Faults = {}
    for child in wanted:
        given = children.get(child.name, pa.nulls(len(array)))
        one, found = _fit(given, child.type, moments)
        fitted.append(one)
        faults = found | faults
    names = [child.name for child in wanted]
    return pa.StructArray.from_arrays(fitted, names, mask=array.is_null()), faults


def _fit_list(array: Any, wanted: AnyType, moments: bool) -> tuple[AnyArray, Faults]:
    if isinstance(wanted, pa.FixedSizeListType) and isinstance(array.type, pa.FixedSizeListType):
        values = array.values.slice(array.offset * wanted.list_size, len(array) * wanted.list_size)
        items, found = _fit(values, wanted.value_type, moments)
        one: AnyArray = pa.FixedSizeListArray.from_arrays(items, wanted.list_size, mask=array.is_null())
        rows = np.arange(len(values)) // wanted.list_size
        return one, _first_by_row(found, rows)
    items, found = _fit(array.flatten(), wanted.value_type, moments)
    kind = pa.list_(items.type) if isinstance(wanted, pa.ListType) else pa.large_list(items.type)
    return list_from_lengths(array, items, kind), _first_by_row(found, rows_of_items(array) if found else None)


def _first_by_row(found: Faults, rows: npt.NDArray[np.int64] | None) -> Faults:
    faults: Faults = {}
    for item, fault in sorted(found.items()):
        faults.setdefault(int(rows[item]) if rows is not None else item, fault)
    return faults


def _cast_exactly(array: AnyArray, wanted: AnyType) -> tuple[AnyArray, Faults]:
    if types.is_decimal(wanted) and types.is_integer(array.type):
        array = array.cast(_ANY_INTEGER)  # Arrow casts to a decimal only if it has room for every integer of the type.
    try:
        return array.cast(wanted), {}
    except pa.ArrowInvalid:
        return _cast_each(array, wanted)


def _cast_each(array: AnyArray, wanted: AnyType) -> tuple[AnyArray, Faults]:
    """Cast value by value: values that an unsafe cast wraps around would pass the check by casting back."""
    values: list[Any] = []
    faults: Faults = {}
    for row, value in enumerate(array):
        try:
            values.append(value.cast(wanted))
        except pa.ArrowInvalid:
            values.append(None)
            faults[row] = f"holds {value.cast(pa.string()).as_py()}, which {wanted} does not hold exactly"
    return pa.array(values, wanted), faults
