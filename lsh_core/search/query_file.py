"""Reads query vectors from ``FILE.npy``, ``FILE.parquet`` or ``FILE.parquet:COLUMN``, local or by URL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, cast

import numpy as np

from lsh_core.choices import choice_of, listed
from lsh_core.errors import SchemaError, SourceError
from lsh_core.sources.listing import is_local, open_filesystem
from lsh_core.sources.remote_file import RemoteFile
from lsh_core.sources.storage_errors import translate_errors


def read_query_vectors(name: str) -> np.ndarray:
    """Read query vectors, (q, d) float32.

    Raises
    ------
    SourceError
        The file is missing, empty or without vectors, or a row is not a finite vector of the common length.
    """
    file, column = file_and_column(name)
    with _opened(file) as content:
        vectors = _from_parquet(file, content, column) if file.endswith(".parquet") else _from_npy(file, content)
    if not len(vectors):
        raise SourceError(file, "has no row")
    return vectors


def file_and_column(name: str) -> tuple[str, str | None]:
    """Return the file of `name`, and the named column, if any."""
    path, separator, column = name.partition(".parquet:")
    return (f"{path}.parquet", column) if separator else (name, None)


@contextmanager
def _opened(url: str) -> Iterator[IO[bytes]]:
    filesystem, path = open_filesystem(url)
    local = is_local(filesystem)
    with translate_errors(url, "cannot be read", local=local):
        file = filesystem.open(path, "rb")
    with file:
        yield file if local else cast("IO[bytes]", RemoteFile(url, file))


def _from_npy(url: str, content: IO[bytes]) -> np.ndarray:
    try:
        vectors = np.lib.format.read_array(content, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise SourceError(url, f"cannot be read as .npy without pickle: {error}") from error
    if vectors.ndim not in (1, 2) or vectors.dtype.kind not in "fiu":
        raise SourceError(url, "must hold numbers, one row a query")
    with np.errstate(over="ignore"):
        vectors = np.atleast_2d(vectors).astype(np.float32)
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(bad):
        raise SourceError(url, f"row {bad[0]} has a number that is not finite in float32")
    return vectors


def _from_parquet(url: str, content: IO[bytes], column: str | None) -> np.ndarray:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from lsh_core.sources.plain_types import as_plain, plain_type
    from lsh_core.sources.validation import valid_vectors
    from lsh_core.sources.vectors import is_vector_type

    try:
        parquet = pq.ParquetFile(content)
        schema = parquet.schema_arrow
    except (OSError, pa.ArrowInvalid) as error:
        raise SourceError(url, f"cannot be read as Parquet: {error}") from error
    plain = {field.name: plain_type(field.type) for field in schema}
    lists = [name for name, type_ in plain.items() if is_vector_type(type_)]
    if column is None:
        # A table may have lists of integers beside an embedding.
        lists = [name for name in lists if pa.types.is_floating(plain[name].value_type)] or lists
        if len(lists) != 1:
            found = f"has {len(lists)} columns with lists of numbers ({listed(lists)})"
            raise SourceError(url, f"{found}: say which, FILE.parquet:COLUMN")
        column = lists[0]
    elif column not in schema.names:
        raise SchemaError(url, column, f"does not exist: {choice_of(column, schema.names)}")
    elif column not in lists:
        raise SchemaError(url, column, f"has type {schema.field(column).type}, not lists of numbers")
    try:
        values = as_plain(parquet.read(columns=[column]).column(column))
    except (OSError, pa.ArrowInvalid) as error:
        raise SourceError(url, f"cannot be read as Parquet: {error}") from error
    lengths = [len(value) for value in values.slice(0, 1).to_pylist() if value is not None]
    if not len(values):
        return np.empty((0, 0), np.float32)
    if not lengths:
        raise SourceError(url, f"row 0 has no vector in {column!r}")
    _, vectors, faults = valid_vectors(values, dims=lengths[0], metric="l2")
    if faults:
        row, (_, reason) = min(faults.items())
        raise SourceError(url, f"row {row}: {reason}")
    return vectors
