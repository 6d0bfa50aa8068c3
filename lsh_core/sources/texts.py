"""Which texts are not UTF-8: Parquet's readers pass them on unseen, and no JSON document can hold them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.types as types

from lsh_core.sources.arrays import AnyArray, Column, as_one_array, null_flags
from lsh_core.sources.vectors import ListArray, values_and_borders


def text_faults(column: Column) -> dict[int, str]:
    """Return the rows with a text that is not UTF-8, in the column or nested in it, and what is wrong with it.

    A column of clean texts is looked through once, by Arrow; only where it finds a fault are texts
    decoded one by one.
    """
    if not _holds_texts(column.type):
        return {}
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        return _faults(as_one_array(column))
    return {}


def _holds_texts(type_: pa.DataType) -> bool:
    if isinstance(type_, pa.DictionaryType):
        return _holds_texts(type_.value_type)
    if types.is_nested(type_):
        return any(_holds_texts(type_.field(child).type) for child in range(type_.num_fields))
    return _is_text(type_)


def _is_text(type_: pa.DataType) -> bool:
    return types.is_string(type_) or types.is_large_string(type_) or types.is_string_view(type_)


def _faults(array: AnyArray) -> dict[int, str]:
    if isinstance(array, pa.DictionaryArray):
        return _faults(array.dictionary_decode())
    if isinstance(array, pa.StructArray):
        return _faults_of_structs(array)
    if isinstance(array, pa.ListArray | pa.LargeListArray | pa.FixedSizeListArray):
        return _faults_of_lists(array)
    return _faults_of_texts(array) if _is_text(array.type) else {}


def _faults_of_structs(array: pa.StructArray) -> dict[int, str]:
    faults: dict[int, str] = {}
    for child in array.flatten():  # what lies under a null row is null in it
        faults = _faults(child) | faults
    return faults


def _faults_of_lists(array: ListArray) -> dict[int, str]:
    values, borders = values_and_borders(array)
    is_null = null_flags(array)
    faults: dict[int, str] = {}
    for place, fault in _faults(values).items():
        row = int(np.searchsorted(borders, place, side="right")) - 1
        if not is_null[row]:
            faults.setdefault(row, fault)
    return faults


def _faults_of_texts(array: AnyArray) -> dict[int, str]:
    faults: dict[int, str] = {}
    binary = pa.binary_view() if types.is_string_view(array.type) else pa.large_binary()
    raws: list[bytes | None] = array.cast(binary).to_pylist()
    for row, raw in enumerate(raws):
        try:
            (raw or b"").decode("utf-8")
        except UnicodeDecodeError as error:
            faults[row] = f"{error.reason} at byte {error.start}"
    return faults
