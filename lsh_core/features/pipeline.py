"""Encodes a span of chunks in one worker, with all steps in parallel.

::

    reading thread ── chunk ──> feeding thread ── block ──> this thread ── chunk ──> writing thread
                                  │      ^                   encodes
                                  v      │ pixels
                                decoding threads

The steps are reading ahead, decoding in threads, encoding and writing. Each queue between two steps holds one item: a
chunk that was read, a block of rows for the encoder, a chunk to write. So memory does not grow with the span: it holds
three blocks of rows, and three chunks of other columns and vectors. Vectors leave the worker as files only.

A block never spans two chunks, so that the vectors of a chunk do not depend on the worker or on earlier chunks.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lsh_core.errors import AirlshError, ImageError
from lsh_core.features.chunk_files import ChunkRecord
from lsh_core.features.encoder import Encoder
from lsh_core.features.encoding import encode_rows
from lsh_core.features.image_loading import ImageUnavailableError, Payload
from lsh_core.features.row_reading import ChunkRows
from lsh_core.redaction import redact
from lsh_core.sources.dead_letter import DeadLetter
from lsh_core.sources.nested_faults import Reason
from lsh_core.stopwatch import Stopwatch

BLOCK_BYTES = 64 * 2**20
PIXEL_BYTES = 128 * 2**20
"""Bytes of the images of a block, as files and as pixels."""
_LOOK_SECONDS = 0.2
UNAVAILABLE = "image_unavailable"

Pixels = npt.NDArray[np.uint8]
Decode = Callable[[Payload], Pixels]
Write = Callable[[ChunkRecord, pa.Table, Sequence[DeadLetter]], ChunkRecord]
"""Writes the rows of a chunk, vectors included, and its dead letters."""


@dataclass
class _OpenChunk:
    """Chunk in progress, with the results of its rows so far."""

    rows: ChunkRows
    refused: dict[int, Reason] = field(default_factory=dict)
    parts: list[tuple[list[int], npt.NDArray[np.float32]]] = field(default_factory=list)
    watch: Stopwatch = field(default_factory=Stopwatch)

    def dead_letter(self, row: int) -> DeadLetter:
        """Return the dead letter of a row that was refused."""
        source, number = self.rows.place(row)
        error, reason = self.refused[row]
        return DeadLetter(source=redact(source), row=number, id=self.rows.ids[row], error=error, reason=redact(reason))


@dataclass
class _Block:
    """Rows for one call of the encoder: texts, or pixels that are being decoded."""

    chunk: _OpenChunk
    inputs: list[tuple[int, str | Reason | Future[tuple[Pixels | Reason, float]]]]
    last: bool


@dataclass(frozen=True)
class _Failure:
    error: BaseException


class _StoppedError(Exception):
    """The other side of a queue is gone."""


class Pipeline:
    """Encodes spans of chunks.

    Parameters
    ----------
    encoder
        Makes the vectors, on the calling thread.
    decode
        Decodes the image of a row, on a decoding thread; raises `ImageError`.
    write
        Writes a finished chunk, on the writing thread.
    vector
        Name of the column with the vectors.
    threads
        Number of decoding threads.
    rows_per_block
        Rows per call of the encoder, which may cut them further; fewer for large images.
    stopping
        Called before each block; its errors end the work.
    """

    def __init__(
        self,
        encoder: Encoder,
        decode: Decode,
        write: Write,
        *,
        vector: str,
        threads: int = 1,
        rows_per_block: int,
        stopping: Callable[[], None] = lambda: None,
    ) -> None:
        self._encoder, self._decode, self._write = encoder, decode, write
        self._vector, self._threads, self._rows_per_block = vector, max(1, threads), rows_per_block
        self._stopping = stopping
        height, width = encoder.image_size or (1, 1)
        self._images_per_block = min(rows_per_block, max(1, PIXEL_BYTES // (3 * height * width)))

    def run(self, chunks: Iterator[ChunkRows]) -> Iterator[tuple[ChunkRecord, dict[str, float]]]:
        """Encode and write `chunks`; yield the record and step seconds of each, in order.

        The steps are ``read``, ``decode``, ``encode``, ``write``, and ``wait``: the time that the encoder waited for
        other steps. Steps run at the same time, so their sum exceeds the duration.
        """
        blocks: queue.Queue[_Block | _Failure | None] = queue.Queue(maxsize=1)
        stop = threading.Event()
        writing: tuple[Future[ChunkRecord], Stopwatch] | None = None
        with (
            ThreadPoolExecutor(1, thread_name_prefix="read") as reading,
            ThreadPoolExecutor(self._threads, thread_name_prefix="decode") as decoding,
            ThreadPoolExecutor(1, thread_name_prefix="write") as writer,
            ThreadPoolExecutor(1, thread_name_prefix="feed") as feeding,
        ):
            try:
                feeding.submit(self._feed, chunks, reading, decoding, blocks, stop)
                waited = time.perf_counter()
                while (block := blocks.get()) is not None:
                    self._stopping()
                    if isinstance(block, _Failure):
                        raise block.error
                    watch = block.chunk.watch
                    watch.add("wait", time.perf_counter() - waited)
                    self._encode(block)
                    if block.last:
                        if writing:
                            yield self._written(*writing, waiting=watch)
                        writing = writer.submit(self._finish, block.chunk), watch
                    waited = time.perf_counter()
                if writing:
                    yield self._written(*writing, waiting=writing[1])
            finally:
                stop.set()
                decoding.shutdown(wait=False, cancel_futures=True)

    def _written(
        self, writing: Future[ChunkRecord], watch: Stopwatch, *, waiting: Stopwatch
    ) -> tuple[ChunkRecord, dict[str, float]]:
        with waiting("wait"):
            record = writing.result()
        return record, watch.take()

    def _feed(
        self,
        chunks: Iterator[ChunkRows],
        reading: ThreadPoolExecutor,
        decoding: ThreadPoolExecutor,
        blocks: queue.Queue[_Block | _Failure | None],
        stop: threading.Event,
    ) -> None:
        """Cut chunks into blocks, and have the images of waiting blocks decoded."""

        def put(piece: _Block | _Failure | None) -> None:
            while not stop.is_set():
                try:
                    return blocks.put(piece, timeout=_LOOK_SECONDS)
                except queue.Full:
                    continue
            raise _StoppedError

        try:
            ahead = reading.submit(_timed_next, chunks)
            while True:
                rows, seconds = ahead.result()
                if rows is None:
                    break
                opened = _OpenChunk(rows)
                opened.watch.add("read", seconds)
                ahead = reading.submit(_timed_next, chunks)
                for block in self._blocks(opened, decoding):
                    put(block)
            put(None)
        except _StoppedError:
            return
        except BaseException as error:
            try:
                put(_Failure(error))
            except _StoppedError:
                return

    def _blocks(self, chunk: _OpenChunk, decoding: ThreadPoolExecutor) -> Iterator[_Block]:
        block = _Block(chunk, [], last=False)
        size, inputs = 0, iter(enumerate(chunk.rows.inputs))
        while True:
            with chunk.watch("read"):
                found = next(inputs, None)
            if found is None:
                break
            row, given = found
            max_rows = self._rows_per_block if isinstance(given, str) else self._images_per_block
            if len(block.inputs) >= max_rows or size >= BLOCK_BYTES:
                yield block
                block, size = _Block(chunk, [], last=False), 0
            if isinstance(given, str | tuple):
                block.inputs.append((row, given))
            else:
                size += len(given) if isinstance(given, bytes) else 0
                block.inputs.append((row, decoding.submit(_timed_decode, self._decode, given)))
        block.last = True
        yield block

    def _encode(self, block: _Block) -> None:
        """Encode one block; rows that cannot be encoded are refused."""
        chunk = block.chunk
        rows: list[int] = []
        values: list[Any] = []
        value: str | Pixels | Reason
        for row, given in block.inputs:
            if isinstance(given, Future):
                with chunk.watch("wait"):
                    value, seconds = given.result()
                chunk.watch.add("decode", seconds)
            else:
                value = given
            if isinstance(value, tuple):
                chunk.refused[row] = value
            else:
                rows.append(row)
                values.append(value)
        if not rows:
            return
        with chunk.watch("encode"):
            batch = values if isinstance(values[0], str) else np.stack(values)
            good, vectors, refused = encode_rows(self._encoder, batch)
        chunk.refused.update((rows[place], reason) for place, reason in refused.items())
        chunk.parts.append(([rows[place] for place in good], vectors))

    def _finish(self, chunk: _OpenChunk) -> ChunkRecord:
        """Write a chunk whose rows are all encoded or refused."""
        with chunk.watch("write"):
            rows = chunk.rows
            good = [row for part, _ in chunk.parts for row in part]
            vectors = np.concatenate(
                [np.zeros((0, self._encoder.dims), np.float32), *(part for _, part in chunk.parts)]
            )
            column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), self._encoder.dims)
            kept = rows.kept if len(good) == len(rows.ids) else rows.kept.take(pa.array(good, pa.int64()))
            table = kept.append_column(pa.field(self._vector, column.type), column)
            source, start = rows.place(0)
            letters = [chunk.dead_letter(row) for row in sorted(chunk.refused)]
            record = ChunkRecord(
                key=rows.chunk.key,
                source=redact(source),
                start=start,
                stop=start + rows.chunk.rows,
                rows_read=len(rows.ids),
                rows_written=len(good),
                dead_lettered=len(letters),
                retryable=sum(letter.error == UNAVAILABLE for letter in letters),
            )
            return self._write(record, table, letters)


def _timed_next(chunks: Iterator[ChunkRows]) -> tuple[ChunkRows | None, float]:
    started = time.perf_counter()
    return next(chunks, None), time.perf_counter() - started


def _timed_decode(decode: Decode, payload: Payload) -> tuple[Pixels | Reason, float]:
    started = time.perf_counter()
    decoded: Pixels | Reason
    try:
        decoded = decode(payload)
    except ImageUnavailableError as error:
        decoded = (UNAVAILABLE, str(error))
    except ImageError as error:
        decoded = ("bad_image", str(error))
    except AirlshError:
        raise
    except Exception as error:  # An unexpected error of one row must not fail the others.
        decoded = ("bad_image", f"{type(error).__name__}: {error}")
    return decoded, time.perf_counter() - started
