"""Reads planned rows by their reader, and adds partition columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa

from lsh_core.errors import SourceChangedError, SourceError
from lsh_core.partitions import column_value
from lsh_core.sources.arrays import Column
from lsh_core.sources.listing import is_local, open_filesystem
from lsh_core.sources.partition_types import partition_column
from lsh_core.sources.plain_types import as_plain
from lsh_core.sources.readers import look_up_part, reader_named
from lsh_core.sources.source_file import Chunk, SourceFile
from lsh_core.sources.storage_errors import translate_errors


def read_span(file: SourceFile, chunks: Sequence[Chunk], columns: Sequence[str]) -> Iterator[tuple[Chunk, pa.Table]]:
    """Read chunks of one file in one pass.

    Parameters
    ----------
    chunks
        Chunks of `file` in source order; rows between them are skipped.
    columns
        Names of the columns to read, partition columns among them.

    Yields
    ------
    chunk, table
        Each chunk with its rows, columns in the order of `columns`. A column has its plain type in this file; a column
        that the file lacks has the type null.

    Raises
    ------
    SourceChangedError
        The file differs from the planned one.
    SourceError
        Rows cannot be read.
    SourceUnavailableError
        The storage did not answer.
    """
    partitions = dict(file.partition_values)
    wanted = [name for name in columns if name not in partitions]
    if not wanted:
        for chunk in chunks:
            yield chunk, _completed({}, chunk.rows, file, columns)
        return
    for chunk, table in _whole_chunks(file, chunks, wanted):
        stored = {name: as_plain(table.column(name)) for name in table.column_names}
        yield chunk, _completed(stored, chunk.rows, file, columns)


def read_pieces(file: SourceFile, chunks: Sequence[Chunk], columns: Sequence[str]) -> Iterator[pa.Table]:
    """Read chunks of one file piece by piece, as its reader yields them. Raises as `read_span` does."""
    reader = reader_named(file.reader)
    filesystem, _ = open_filesystem(file.url)
    what, local = f"cannot be read by the reader {file.reader!r}", is_local(filesystem)
    with translate_errors(file.url, what, local=local):
        pieces = iter(reader.read(file, chunks, columns))
    while True:
        with translate_errors(file.url, what, local=local):
            piece = next(pieces, None)
        if piece is None:
            return
        yield piece


def check_unchanged(file: SourceFile) -> None:
    """Check that a file still has its planned size and version.

    The files of a folder are checked when they are read.

    Raises
    ------
    SourceChangedError
        The file has another size or version, or is gone.
    SourceUnavailableError
        Its storage did not answer.
    """
    if file.is_folder:
        return
    now = look_up_part(file)
    if now is None:
        raise SourceChangedError(file.url, f"{file.size:,} bytes", "no file")
    if (now.size, now.version) != (file.size, file.version):
        raise SourceChangedError(
            file.url, f"{file.size:,} bytes, version {file.version}", f"{now.size:,} bytes, version {now.version}"
        )


def _whole_chunks(
    file: SourceFile, chunks: Sequence[Chunk], columns: Sequence[str]
) -> Iterator[tuple[Chunk, pa.Table]]:
    pieces = read_pieces(file, chunks, columns)
    for chunk in chunks:
        parts: list[pa.Table] = []
        rows = 0
        while rows < chunk.rows:
            piece = next(pieces, None)
            if piece is None:
                reason = f"ends before row {chunk.start + rows:,}, but {file.rows:,} rows were planned"
                raise SourceError(file.url, reason)
            parts.append(piece)
            rows += len(piece) if piece.num_columns else chunk.rows
        if rows != chunk.rows:
            reason = f"its reader {file.reader!r} gives {rows:,} rows for rows {chunk.start:,} to {chunk.stop - 1:,}"
            raise SourceError(file.url, reason)
        yield chunk, parts[0] if len(parts) == 1 else pa.concat_tables(parts)


def _completed(stored: Mapping[str, Column], rows: int, file: SourceFile, columns: Sequence[str]) -> pa.Table:
    """Return all columns of some rows: stored columns, partition columns, and nulls for missing columns."""
    partitions, types = dict(file.partition_values), dict(file.partition_types)

    def constant(name: str) -> Column:
        if name not in partitions:
            return pa.nulls(rows)
        return partition_column(column_value(partitions[name]), types.get(name, "string"), rows)

    return pa.table({name: stored[name] if name in stored else constant(name) for name in columns})
