"""Reader of Parquet files, in one pass and bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import accumulate

import pyarrow as pa
import pyarrow.parquet as pq
from fsspec import AbstractFileSystem

from lsh_core.errors import SourceChangedError, SourceError
from lsh_core.sources.listing import Listed, is_local, open_filesystem
from lsh_core.sources.reader import Contents
from lsh_core.sources.remote_file import RemoteFile
from lsh_core.sources.source_file import Chunk, SourceFile
from lsh_core.sources.storage_errors import translate_errors

_LOCAL_BUFFER_BYTES = 2**20
_REMOTE_BUFFER_BYTES = 8 * 2**20  # a request each: few and large
_MAGIC = b"PAR1"


class ParquetReader:
    """Reads Parquet files. Row groups without wanted rows are not read."""

    name = "parquet"
    has_columns = True

    def claims(self, url: str) -> bool:
        """Return whether the name ends in ``.parquet``; other names are tried as Parquet as well."""
        return url.endswith(".parquet")

    def files_beside(self, url: str) -> tuple[str, ...]:
        """Return nothing: a Parquet file is whole."""
        return ()

    def contents(self, file: Listed) -> Contents:
        """Return rows and columns from the footer; no row is read."""
        with open_parquet(file.url, file.size) as parquet:
            return Contents(parquet.schema_arrow, _row_group_rows(parquet.metadata))

    def read(self, file: SourceFile, chunks: Sequence[Chunk], columns: Sequence[str]) -> Iterator[pa.Table]:
        """Read each chunk as one table.

        Rows of a row group before the first wanted row are decoded and dropped.

        Raises
        ------
        SourceChangedError
            The footer differs from the planned one.
        SourceError
            Rows cannot be read.
        SourceUnavailableError
            The storage did not answer.
        """
        with open_parquet(file.url, file.size) as parquet:
            _check_row_groups(file, parquet.metadata)
            stored = [name for name in columns if name in parquet.schema_arrow.names]
            rows = _Rows(file, parquet, chunks, stored)
            for chunk in chunks:
                yield rows.take(chunk) if stored else pa.table({})


@contextmanager
def open_parquet(url: str, size: int) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file for buffered reading, with one buffer per column in memory.

    Raises
    ------
    SourceError
        The file is not Parquet, is truncated, or cannot be read.
    SourceUnavailableError
        The storage did not answer; reads from the yielded file raise it as well.
    """
    filesystem, path = open_filesystem(url)
    local = is_local(filesystem)
    with ExitStack() as stack:
        try:
            source = path if local else _open_remote(stack, filesystem, url, path)
            buffer_size = _LOCAL_BUFFER_BYTES if local else _REMOTE_BUFFER_BYTES
            parquet = stack.enter_context(
                pq.ParquetFile(
                    source,
                    pre_buffer=False,
                    buffer_size=buffer_size,
                    page_checksum_verification=True,
                    # By default INT96 becomes nanoseconds, which wrap around outside the years 1677 to 2262.
                    coerce_int96_timestamp_unit="us",
                )
            )
        except FileNotFoundError as error:
            raise SourceError(url, "there is no such file") from error
        except (pa.ArrowException, OSError) as error:
            raise SourceError(url, _why_unreadable(url, size, error)) from error
        yield parquet


def _open_remote(stack: ExitStack, filesystem: AbstractFileSystem, url: str, path: str) -> pa.NativeFile:
    with translate_errors(url, "cannot be opened", local=False):
        try:
            # Arrow does the buffering; fsspec's read-ahead would also fetch the bytes between the columns.
            file = stack.enter_context(filesystem.open(path, "rb", cache_type="none"))
        except FileNotFoundError as error:
            raise SourceError(url, "there is no such file") from error
    return pa.PythonFile(RemoteFile(url, file), mode="r")


class _Rows:
    """A reading head that only moves forward."""

    def __init__(self, file: SourceFile, parquet: pq.ParquetFile, chunks: Sequence[Chunk], columns: list[str]) -> None:
        self._file = file
        stops = list(accumulate(file.row_group_rows))
        wanted = _row_groups_of(file.row_group_rows, stops, chunks)
        self._columns = columns
        self._groups = iter(wanted)
        self._starts = [stop - rows for stop, rows in zip(stops, file.row_group_rows, strict=True)]
        self._parquet = parquet
        self._batch_rows = max((chunk.rows for chunk in chunks), default=1)
        self._batches: Iterator[pa.RecordBatch] = iter(())
        self._batch: pa.RecordBatch | None = None
        self._place = 0  # row in the file of the first row of _batch

    def take(self, chunk: Chunk) -> pa.Table:
        """Return the rows of `chunk`, which starts at or after the end of the previous chunk."""
        parts: list[pa.RecordBatch] = []
        position = chunk.start
        while position < chunk.stop:
            batch = self._batch_at(position, chunk)
            part = batch.slice(position - self._place, chunk.stop - position)
            parts.append(part)
            position += part.num_rows
        return pa.Table.from_batches(parts)

    def _batch_at(self, position: int, chunk: Chunk) -> pa.RecordBatch:
        try:
            while self._batch is None or position >= self._place + self._batch.num_rows:
                self._advance()
        except StopIteration:
            reason = f"ends before row {position:,}, but its footer promises {self._file.rows:,} rows"
            raise SourceError(self._file.url, reason) from None
        except (pa.ArrowException, OSError) as error:
            reason = f"rows {chunk.start:,} to {chunk.stop - 1:,} cannot be read ({error}); write or copy it again"
            raise SourceError(self._file.url, reason) from error
        return self._batch

    def _advance(self) -> None:
        if self._batch is not None:
            self._place += self._batch.num_rows
        following = next(self._batches, None)
        while following is None:
            group = next(self._groups)
            self._place = self._starts[group]
            self._batches = self._parquet.iter_batches(
                self._batch_rows, row_groups=[group], columns=self._columns, use_threads=False
            )
            following = next(self._batches, None)
        self._batch = following


def _row_groups_of(row_group_rows: Sequence[int], stops: Sequence[int], chunks: Sequence[Chunk]) -> list[int]:
    wanted: list[int] = []
    ahead = iter(chunks)
    chunk = next(ahead, None)
    for group, (rows, stop) in enumerate(zip(row_group_rows, stops, strict=True)):
        while chunk is not None and chunk.stop <= stop - rows:
            chunk = next(ahead, None)
        if chunk is None:
            break
        if rows and chunk.start < stop:
            wanted.append(group)
    return wanted


def _row_group_rows(metadata: pq.FileMetaData) -> tuple[int, ...]:
    return tuple(metadata.row_group(group).num_rows for group in range(metadata.num_row_groups))


def _check_row_groups(file: SourceFile, metadata: pq.FileMetaData) -> None:
    found = _row_group_rows(metadata)
    if found != file.row_group_rows:
        raise SourceChangedError(
            file.url,
            f"{file.rows:,} rows in {len(file.row_group_rows)} row groups",
            f"{sum(found):,} rows in {len(found)} row groups",
        )


def _why_unreadable(url: str, size: int, error: Exception) -> str:
    """Return the reason: another format, or a missing end."""
    filesystem, path = open_filesystem(url)
    with translate_errors(url, "cannot be read", local=is_local(filesystem)):
        head = filesystem.cat_file(path, 0, min(4, size))
        tail = filesystem.cat_file(path, max(0, size - 4), size)
    if size == 0:
        return "is empty (0 bytes), which is not a Parquet file; remove it or write it again"
    if head != _MAGIC:
        return "is not a Parquet file; name the Parquet files alone, for instance with FOLDER/*.parquet"
    if tail != _MAGIC:
        return f"is truncated: it starts as Parquet, but after {size:,} bytes its end is missing; copy it again"
    return f"has a broken footer ({error}); write or copy it again"
