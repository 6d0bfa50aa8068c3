"""Finds texts that are not UTF-8."""

from __future__ import annotations

import pyarrow as pa

from lsh_core.sources.arrays import AnyArray, Column, as_one_array
from lsh_core.sources.common_types import is_text
from lsh_core.sources.nested_faults import Faults, holds, nested_faults


def text_faults(column: Column) -> Faults:
    """Return the faults of rows with texts that are not UTF-8, nested ones included.

    Parquet readers do not check UTF-8, and JSON cannot hold other texts. Arrow scans the column once; only if it finds
    a fault, texts are decoded one by one.
    """
    if not holds(column.type, is_text):
        return {}
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        return nested_faults(as_one_array(column), _faults_of_texts)
    return {}


def _faults_of_texts(array: AnyArray) -> Faults:
    faults: Faults = {}
    if not is_text(array.type):
        return faults
    raws: list[bytes | None] = array.cast(pa.large_binary()).to_pylist()
    for row, raw in enumerate(raws):
        try:
            (raw or b"").decode("utf-8")
        except UnicodeDecodeError as error:
            faults[row] = f"{error.reason} at byte {error.start}"
    return faults
