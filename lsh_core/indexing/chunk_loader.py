"""Loads chunks: read, validate, hash, write, send, record. This is what a Dask worker runs."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import BoundedSemaphore
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from lsh_core.indexing.bulk_sender import BulkSender, NodeTally, Refusal, SendReport
from lsh_core.indexing.dead_letters import DeadLetter, expiry, letters_kept
from lsh_core.indexing.documents import DocumentWriter
from lsh_core.indexing.ledger import LedgerEntry, hash_ids, packed_vector
from lsh_core.indexing.mapping import VectorField
from lsh_core.indexing.stopwatch import Stopwatch
from lsh_core.models.contract import LSHModel, RowCodes
from lsh_core.sources.chunks import Chunk
from lsh_core.sources.dataset import SourceFile
from lsh_core.sources.reading import read_span
from lsh_core.sources.row_bytes import pack_row
from lsh_core.sources.validation import ValidRows, validate_rows

_OPEN_REQUESTS_PER_THREAD = 2
_FIRST_GUESS_BYTES = 700


@dataclass(frozen=True)
class LoadPlan:
    """What every chunk of one build is loaded with. Small, and pickles.

    Attributes
    ----------
    fields
        The mapping's ``properties`` of the other columns, which are also the columns that are read.
    nodes
        Addresses of the nodes, for the record.
    letters_a_chunk, dead_letter_days
        How many dead letters of a chunk are kept, and for how long.
    """

    build: str
    id_column: str
    vector: VectorField
    fields: dict[str, dict[str, Any]]
    nodes: tuple[str, ...]
    request_bytes: int
    posting_threads: int
    letters_a_chunk: int = letters_kept(1)
    dead_letter_days: int = 30

    @property
    def columns(self) -> list[str]:
        """Columns to read: the id, the vector, and the others; each once."""
        return list(dict.fromkeys((self.id_column, self.vector.column, *self.fields)))


class ChunkRecord(Protocol):
    """Where a finished chunk is written down."""

    def __call__(self, file: SourceFile, chunk: Chunk, entry: LedgerEntry, letters: Sequence[DeadLetter]) -> None:
        """Store the dead letters of `chunk`, then its ledger entry."""


@dataclass
class _OpenChunk:
    """A chunk whose requests are under way."""

    chunk: Chunk
    table: pa.Table
    valid: ValidRows
    requests: list[Future[SendReport]] = field(default_factory=list)


class ChunkLoader:
    """Loads spans of chunks over one sender; one a worker process.

    Bodies are built on the calling thread while `posting_threads` threads post; a fixed number of requests
    is open at any time, so memory does not grow with the source.
    """

    def __init__(self, plan: LoadPlan, model: LSHModel, sender: BulkSender, record: ChunkRecord) -> None:
        self._plan, self._model, self._sender, self._record = plan, model, sender, record
        self._writer = DocumentWriter(plan.vector, plan.fields)
        self._row_bytes = float(_FIRST_GUESS_BYTES + 16 * plan.vector.dims // 3)

    def load(self, file: SourceFile, chunks: Sequence[Chunk]) -> Iterator[LedgerEntry]:
        """Load consecutive `chunks` of `file`; yield the entry of each once it is acknowledged and recorded."""
        threads = max(self._plan.posting_threads, len(self._plan.nodes))
        slots = BoundedSemaphore(_OPEN_REQUESTS_PER_THREAD * threads)
        open_chunks: deque[_OpenChunk] = deque()
        watch = Stopwatch()
        pool = ThreadPoolExecutor(threads, thread_name_prefix="post")
        try:
            tables = iter(read_span(file, chunks, self._plan.columns))
            while True:
                with watch("read"):
                    found = next(tables, None)
                if found is None:
                    break
                open_chunks.append(self._open(pool, slots, file, *found, watch))
                if len(open_chunks) > 1:
                    yield self._close(file, open_chunks.popleft(), watch)
            while open_chunks:
                yield self._close(file, open_chunks.popleft(), watch)
        finally:
            pool.shutdown(cancel_futures=True)

    def _open(
        self,
        pool: ThreadPoolExecutor,
        slots: BoundedSemaphore,
        file: SourceFile,
        chunk: Chunk,
        table: pa.Table,
        watch: Stopwatch,
    ) -> _OpenChunk:
        """Validate, hash and write the rows of one chunk, and hand its requests to the posting threads."""
        plan = self._plan
        with watch("validate"):
            valid = validate_rows(
                table, id=plan.id_column, vector=plan.vector.column, dims=plan.vector.dims, metric=plan.vector.metric
            )
            others = table.select(list(plan.fields))
            if len(valid.offsets) < len(table):
                others = others.take(pa.array(valid.offsets, pa.int64()))
        with watch("hash"):
            codes = self._model.encode(valid.vectors, plan.vector.near)
        opened = _OpenChunk(chunk, table, valid)
        home = self._sender.ring.home(chunk.number)
        for offsets, lines in self._requests(file, chunk, valid, codes, others, watch):
            with watch("wait"):
                slots.acquire()
            request = pool.submit(self._sender.send, home, offsets, lines)
            request.add_done_callback(lambda _: slots.release())
            opened.requests.append(request)
        return opened

    def _requests(
        self, file: SourceFile, chunk: Chunk, valid: ValidRows, codes: RowCodes, others: pa.Table, watch: Stopwatch
    ) -> Iterator[tuple[list[int], list[bytes]]]:
        """Yield the offsets and the lines of each request; rows are written just before they are sent."""
        request_bytes = self._plan.request_bytes
        count = len(valid.ids)
        offsets, places = valid.offsets.tolist(), valid.offsets + chunk.place
        waiting: list[bytes] = []
        start = sent = 0
        while start < count:
            rows = slice(start, min(start + max(1, int(request_bytes / self._row_bytes)), count))
            with watch("write"):
                waiting += self._writer.rows(
                    valid.ids[rows],
                    valid.vectors[rows],
                    codes.tokens[rows],
                    codes.near[rows] if codes.near is not None else None,
                    chunk=chunk.number,
                    places=places[rows],
                    others=others.slice(start, rows.stop - start),
                    partition=file.partition,
                )
            start = rows.stop
            for size in list(request_sizes(waiting, request_bytes, last=start == count)):
                lines = waiting[:size]
                yield offsets[sent : sent + size], lines
                self._row_bytes = max(sum(map(len, lines)) / size, 1.0)
                del waiting[:size]
                sent += size

    def _close(self, file: SourceFile, opened: _OpenChunk, watch: Stopwatch) -> LedgerEntry:
        """Wait for the last acknowledgement of a chunk, then record it."""
        with watch("wait"):
            reports = [request.result() for request in opened.requests]
        refusals = {refusal.offset: refusal for report in reports for refusal in report.refusals}
        nodes: defaultdict[int, NodeTally] = defaultdict(NodeTally)
        for report in reports:
            for node, tally in report.nodes.items():
                nodes[node].add(tally)
        chunk, valid = opened.chunk, opened.valid
        taken = np.array([offset not in refusals for offset in valid.offsets.tolist()], dtype=np.bool_)
        letters = self._letters(file, opened, refusals)
        entry = LedgerEntry(
            chunk=chunk.number,
            source=file.url,
            start=chunk.start,
            stop=chunk.stop,
            place=chunk.place,
            node=self._plan.nodes[self._sender.ring.home(chunk.number)],
            dead_lettered=len(refusals) + len(valid.refused),
            offsets=valid.offsets[taken],
            id_hashes=hash_ids(valid.ids)[taken],
            samples=self._samples(valid, taken, chunk),
            nodes=tuple(
                {"node": self._plan.nodes[node], "requests": t.requests, "rows": t.rows, "retried": t.retried}
                for node, t in sorted(nodes.items())
            ),
            seconds=watch.take(),
        )
        self._record(file, chunk, entry, letters)
        return entry

    def _letters(self, file: SourceFile, opened: _OpenChunk, refusals: dict[int, Refusal]) -> list[DeadLetter]:
        """Return the first dead letters of a chunk: what validation refused, and what the server refused."""
        valid, chunk = opened.valid, opened.chunk
        refused: list[tuple[int, str | None, str, str]] = [
            (row.offset, row.id, row.error, row.reason) for row in valid.refused
        ]
        if refusals:
            by_offset = dict(zip(valid.offsets.tolist(), valid.ids, strict=True))
            refused += [(offset, by_offset[offset], each.error, each.reason) for offset, each in refusals.items()]
        expires_at = expiry(self._plan.dead_letter_days)
        row_group_stops = np.cumsum(file.row_group_rows)
        return [
            DeadLetter(
                build=self._plan.build,
                source=file.url,
                chunk=chunk.number,
                row_group=int(np.searchsorted(row_group_stops, chunk.start + offset, side="right")),
                row=chunk.start + offset,
                place=chunk.place + offset,
                id=identity,
                error=error,
                reason=reason,
                expires_at=expires_at,
                row_bytes=pack_row(opened.table, offset),
            )
            for offset, identity, error, reason in sorted(refused, key=lambda each: each[0])[
                : self._plan.letters_a_chunk
            ]
        ]

    def _samples(self, valid: ValidRows, taken: np.ndarray, chunk: Chunk) -> tuple[dict[str, Any], ...]:
        """Return the first and the last row that the index took, as verification reads them back."""
        rows = np.flatnonzero(taken)
        return tuple(
            {
                "id": valid.ids[row],
                "place": chunk.place + int(valid.offsets[row]),
                "vector": packed_vector(valid.vectors[row]),
            }
            for row in sorted({int(rows[0]), int(rows[-1])} if len(rows) else ())
        )


def request_sizes(lines: Sequence[bytes], request_bytes: int, *, last: bool) -> Iterator[int]:
    """Yield how many of `lines` go into each next request.

    A request holds as many rows as fit into `request_bytes`, and at least one. Unless `last`, rows that
    do not fill a request are left for the next call.
    """
    rows = size = 0
    for line in lines:
        if rows and size + len(line) > request_bytes:
            yield rows
            rows = size = 0
        rows += 1
        size += len(line)
    if rows and last:
        yield rows
