"""Types of the partition columns in a table's log, by Delta's names."""

from __future__ import annotations

import re
from typing import Any

import pyarrow as pa

from lsh_core.sources.arrays import Column

_TYPES: dict[str, pa.DataType] = {
    "string": pa.string(),
    "boolean": pa.bool_(),
    "byte": pa.int8(),
    "short": pa.int16(),
    "integer": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", "UTC"),
    "timestamp_ntz": pa.timestamp("us"),
}
_DECIMAL = re.compile(r"decimal\((\d+), ?(-?\d+)\)")


def partition_type(name: str) -> pa.DataType | None:
    """Return the Arrow type of a partition column; None for an unsupported type."""
    if found := _DECIMAL.fullmatch(name):
        return pa.decimal128(int(found[1]), int(found[2]))
    return _TYPES.get(name)


def partition_column(text: str | None, type_name: str, rows: int) -> Column:
    """Return the column of a partition from its value as text; raises ``pa.ArrowInvalid``."""
    value: Any = pa.array([text], pa.string()).cast(partition_type(type_name) or pa.string())[0]
    repeated: Column = pa.repeat(value, rows)
    return repeated
