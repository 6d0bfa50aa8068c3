"""Reads a whole source in order, in small parts, without Dask."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from lsh_core.sources.chunks import plan_chunks
from lsh_core.sources.reading import read_span
from lsh_core.sources.source_file import SourceFile

ROWS_AT_ONCE = 2_000


def read_batches(files: Sequence[SourceFile], columns: Sequence[str]) -> Iterator[tuple[SourceFile, int, pa.Table]]:
    """Yield parts of `files` in source order: file, first row in the file, rows.

    Parameters
    ----------
    columns
        Names of the columns to read, partition columns among them.
    """
    chunks = plan_chunks(files, chunk_rows=ROWS_AT_ONCE)
    for number, file in enumerate(files):
        for chunk, table in read_span(file, [each for each in chunks if each.file == number], columns):
            yield file, chunk.start, table
