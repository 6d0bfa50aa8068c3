"""Query vectors from a file: ``FILE.npy``, ``FILE.parquet`` or ``FILE.parquet:COLUMN``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lsh_core.errors import SchemaError, SourceError


def read_query_vectors(name: str) -> np.ndarray:
    """Read query vectors, (q, d) float32.

    Raises
    ------
    SourceError
        No such file, not vectors, no row, or a row that is not a finite vector of the common length.
    """
    file, column = file_and_column(name)
    vectors = _from_parquet(Path(file), column) if file.endswith(".parquet") else _from_npy(Path(file))
    if not len(vectors):
        raise SourceError(file, "has no row")
    return vectors


def file_and_column(name: str) -> tuple[str, str | None]:
    """Return the file that is read for `name`, and the column of it that is named."""
    path, separator, column = name.partition(".parquet:")
    return (f"{path}.parquet", column) if separator else (name, None)


def _from_npy(path: Path) -> np.ndarray:
    try:
        with path.open("rb") as file:
            vectors = np.lib.format.read_array(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise SourceError(str(path), f"cannot be read as .npy without pickle: {error}") from error
    if vectors.ndim not in (1, 2) or vectors.dtype.kind not in "fiu":
        raise SourceError(str(path), "must hold numbers, one row a query")
    with np.errstate(over="ignore"):
        vectors = np.atleast_2d(vectors).astype(np.float32)
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(bad):
        raise SourceError(str(path), f"row {bad[0]} has a number that is not finite in float32")
    return vectors


def _from_parquet(path: Path, column: str | None) -> np.ndarray:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from lsh_core.sources.validation import valid_vectors

    try:
        schema = pq.read_schema(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise SourceError(str(path), f"cannot be read as Parquet: {error}") from error
    lists = [field.name for field in schema if _holds_vectors(field.type)]
    if column is None:
        if len(lists) != 1:
            found = f"has {len(lists)} columns with lists of floats ({', '.join(lists)})"
            raise SourceError(str(path), f"{found}: say which, FILE.parquet:COLUMN")
        column = lists[0]
    elif column not in schema.names:
        raise SchemaError(str(path), column, f"is missing; there are {', '.join(schema.names)}")
    elif column not in lists:
        raise SchemaError(str(path), column, f"has type {schema.field(column).type}, not lists of floats")
    try:
        values = pq.read_table(path, columns=[column]).column(column)
    except (OSError, pa.ArrowInvalid) as error:
        raise SourceError(str(path), f"cannot be read as Parquet: {error}") from error
    lengths = [len(value) for value in values.slice(0, 1).to_pylist() if value is not None]
    if not len(values):
        return np.empty((0, 0), np.float32)
    if not lengths:
        raise SourceError(str(path), f"row 0 has no vector in {column!r}")
    _, vectors, faults = valid_vectors(values, dims=lengths[0], metric="l2")
    if faults:
        row, (_, reason) = min(faults.items())
        raise SourceError(str(path), f"row {row}: {reason}")
    return vectors


def _holds_vectors(arrow: Any) -> bool:
    import pyarrow as pa

    lists = pa.types.is_list(arrow) or pa.types.is_large_list(arrow) or pa.types.is_fixed_size_list(arrow)
    return bool(lists and pa.types.is_floating(arrow.value_type))
