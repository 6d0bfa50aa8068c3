"""Loads chunks: read, validate, hash, encode, send, record.

A Dask worker runs the loader.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lsh_core.builds.bulk_lines import BulkLineEncoder
from lsh_core.builds.id_hashes import hash_ids
from lsh_core.builds.mapping import VectorField
from lsh_core.elastic.bulk_requests import request_sizes
from lsh_core.exact.row_comparison import RowComparison
from lsh_core.loading.bulk_sender import BulkSender, Refusal, SendReport
from lsh_core.loading.dead_letters import dead_letters_kept, expiry
from lsh_core.loading.ledger import LedgerEntry, RowSample, packed_vector
from lsh_core.loading.node_queues import STEAL_AFTER_SECONDS, NodeQueues
from lsh_core.loading.node_stats import NodeStats
from lsh_core.models.contract import LSHModel, RowCodes
from lsh_core.sources.dead_letter import DeadLetter
from lsh_core.sources.fitting import fit
from lsh_core.sources.reading import read_span
from lsh_core.sources.row_ipc import pack_row
from lsh_core.sources.source_file import Chunk, SourceFile
from lsh_core.sources.validation import RefusedRow, ValidRows, validate_rows
from lsh_core.stopwatch import Stopwatch

_CANDIDATES = 16
_FIRST_GUESS_BYTES = 700


@dataclass(frozen=True)
class LoadPlan:
    """Columns, types and limits with which every chunk of a build is loaded.

    The plan is small and pickles.

    Attributes
    ----------
    fields
        The ``properties`` of the mapping for the other columns. These columns are read.
    nodes
        Addresses of the nodes, for messages and records.
    types
        Columns with the type that all files share. A column without an entry keeps the type of its file.
    dead_letters_per_chunk, dead_letter_days
        Maximum number of dead letters kept per chunk, and their lifetime in days.
    """

    build: str
    id_column: str
    vector: VectorField
    fields: dict[str, dict[str, Any]]
    nodes: tuple[str, ...]
    request_bytes: int
    posting_threads: int
    types: pa.Schema = field(default_factory=lambda: pa.schema([]))
    dead_letters_per_chunk: int = dead_letters_kept(1)
    dead_letter_days: int = 30

    @property
    def columns(self) -> list[str]:
        """Columns to read: the id, the vector and the others, each once."""
        return list(dict.fromkeys((self.id_column, self.vector.column, *self.fields)))

    def fit_and_validate(self, table: pa.Table, vector_column: str) -> tuple[pa.Table, ValidRows]:
        """Cast the table to the types of the build; return it with its valid and invalid rows."""
        fitted = fit(table, self.types, moments=False)
        valid = validate_rows(
            fitted.table,
            id=self.id_column,
            vector=vector_column,
            dims=self.vector.dims,
            metric=self.vector.metric,
            misfits=fitted.reasons,
        )
        return fitted.table, valid


class ChunkRecord(Protocol):
    """Records a finished chunk."""

    def __call__(self, file: SourceFile, chunk: Chunk, entry: LedgerEntry, dead_letters: Sequence[DeadLetter]) -> None:
        """Store the dead letters of `chunk`, then its ledger entry."""


@dataclass
class _OpenChunk:
    """Chunk whose requests are under way.

    It holds the data of the ledger entry, and no vectors.
    """

    chunk: Chunk
    offsets: npt.NDArray[np.int64]
    ids: pa.Array[Any]
    id_hashes: npt.NDArray[np.uint64]
    refused: tuple[RefusedRow, ...]
    refused_bytes: dict[int, bytes]
    candidates: dict[int, RowSample]
    rows_beyond_norm: int
    near_rows: bytes | None
    requests: list[Future[SendReport]]

    @property
    def ready(self) -> bool:
        """True once all requests have finished or one has failed."""
        ended = [request for request in self.requests if request.done()]
        return len(ended) == len(self.requests) or any(request.exception() is not None for request in ended)

    def samples(self, refusals: Container[int]) -> tuple[RowSample, ...]:
        """Return the first and the last sampled row that was indexed; verification reads them back."""
        taken = [sample for offset, sample in self.candidates.items() if offset not in refusals]
        return (*taken[:1], *taken[1:][-1:])


class ChunkLoader:
    """Loads spans of chunks over one sender; one loader per worker process.

    While the requests of a chunk are under way, its rows are compared with the queries of `comparison`.

    Bodies are built on the calling thread while the threads of each node post. The number of open requests is bounded,
    and so is the number of open chunks. Memory does not grow with the source.
    """

    def __init__(
        self,
        plan: LoadPlan,
        model: LSHModel,
        sender: BulkSender,
        record: ChunkRecord,
        *,
        comparison: RowComparison | None = None,
        patience_seconds: float = STEAL_AFTER_SECONDS,
    ) -> None:
        self._comparison, self._patience = comparison, patience_seconds
        self._plan, self._model, self._sender, self._record = plan, model, sender, record
        self._writer = BulkLineEncoder(plan.vector, plan.fields)
        self._row_bytes = float(_FIRST_GUESS_BYTES + 16 * plan.vector.dims // 3)

    def load(self, file: SourceFile, chunks: Sequence[Chunk]) -> Iterator[LedgerEntry]:
        """Load `chunks` of `file`; yield the entry of each chunk once it is recorded.

        An entry is recorded after every row of the chunk is acknowledged. Entries come in any order.
        """
        lanes = NodeQueues(self._sender, len(self._plan.nodes), self._plan.posting_threads, self._patience)
        opened: list[_OpenChunk] = []
        watch = Stopwatch()
        try:
            tables = iter(read_span(file, chunks, self._plan.columns))
            while True:
                with watch("read"):
                    found = next(tables, None)
                if found is None:
                    break
                opened.append(self._open(lanes, file, *found, watch))
                yield from self._close_ready(file, opened, watch)
            while opened:
                pending = [each for one in opened for each in one.requests if not each.done()]
                # Checked after `pending` was collected: a request that ends in between ends the wait.
                if not any(one.ready for one in opened):
                    with watch("wait"):
                        wait(pending, None, FIRST_COMPLETED)
                yield from self._close_ready(file, opened, watch)
        finally:
            lanes.close()

    def _open(self, lanes: NodeQueues, file: SourceFile, chunk: Chunk, table: pa.Table, watch: Stopwatch) -> _OpenChunk:
        """Validate, hash and encode the rows of one chunk, and queue its requests."""
        plan = self._plan
        with watch("validate"):
            fitted, valid = plan.fit_and_validate(table, plan.vector.column)
            others = fitted.select(list(plan.fields))
            if len(valid.offsets) < len(table):
                # Slicing keeps the number of rows of a table without columns; `take` does not.
                some = pa.array(valid.offsets, pa.int64())
                others = others.take(some) if plan.fields else others.slice(0, len(some))
        with watch("hash"):
            codes = plan.vector.strategy.encode(self._model, valid.vectors)
        home = self._sender.home(chunk.number)
        requests = []
        for offsets, lines in self._requests(file, chunk, valid, codes, others, watch):
            with watch("wait"):
                requests.append(lanes.submit(home, offsets, lines))
        with watch("compare"):
            near_rows = self._near_rows(chunk, valid)
        return _OpenChunk(
            chunk,
            valid.offsets,
            pa.array(valid.ids, pa.large_string()),
            hash_ids(valid.ids),
            tuple(valid.refused),
            {row.offset: pack_row(table, row.offset) for row in valid.refused[: plan.dead_letters_per_chunk]},
            _sample_rows(valid, chunk),
            codes.beyond_norm,
            near_rows,
            requests,
        )

    def _near_rows(self, chunk: Chunk, valid: ValidRows) -> bytes | None:
        if self._comparison is None:
            return None
        first = chunk.first_row_number
        return self._comparison.compare(valid.vectors, valid.offsets, first, first + chunk.rows).to_bytes()

    def _requests(
        self, file: SourceFile, chunk: Chunk, valid: ValidRows, codes: RowCodes, others: pa.Table, watch: Stopwatch
    ) -> Iterator[tuple[list[int], list[bytes]]]:
        """Yield the offsets and the lines of each request.

        Rows are encoded just before they are sent.
        """
        request_bytes = self._plan.request_bytes
        count = len(valid.ids)
        offsets, row_numbers = valid.offsets.tolist(), valid.offsets + chunk.first_row_number
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
                    row_numbers=row_numbers[rows],
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

    def _close_ready(self, file: SourceFile, opened: list[_OpenChunk], watch: Stopwatch) -> Iterator[LedgerEntry]:
        """Record the chunks whose last row is acknowledged, and remove them from `opened`."""
        for each in [each for each in opened if each.ready]:
            opened.remove(each)
            yield self._close(file, each, watch)

    def _close(self, file: SourceFile, opened: _OpenChunk, watch: Stopwatch) -> LedgerEntry:
        reports = [request.result() for request in opened.requests if request.done()]
        refusals = {refusal.offset: refusal for report in reports for refusal in report.refusals}
        nodes: defaultdict[int, NodeStats] = defaultdict(NodeStats)
        for report in reports:
            for node, tally in report.nodes.items():
                nodes[node].add(tally)
        chunk = opened.chunk
        taken = ~np.isin(opened.offsets, list(refusals)) if refusals else np.ones(len(opened.offsets), np.bool_)
        dead_letters = self._dead_letters(file, opened, refusals)
        entry = LedgerEntry(
            chunk=chunk.number,
            source=file.url,
            start=chunk.start,
            stop=chunk.stop,
            first_row_number=chunk.first_row_number,
            node=self._plan.nodes[self._sender.home(chunk.number)],
            dead_lettered=len(refusals) + len(opened.refused),
            offsets=opened.offsets[taken],
            id_hashes=opened.id_hashes[taken],
            samples=opened.samples(refusals),
            nodes={self._plan.nodes[node]: tally for node, tally in sorted(nodes.items())},
            seconds=watch.take(),
            rows_beyond_norm=opened.rows_beyond_norm,
            queries="" if self._comparison is None else self._comparison.fingerprint,
            near_rows=opened.near_rows,
        )
        self._record(file, chunk, entry, dead_letters)
        return entry

    def _dead_letters(self, file: SourceFile, opened: _OpenChunk, refusals: dict[int, Refusal]) -> list[DeadLetter]:
        """Return the first dead letters of a chunk.

        Rows that validation refused and rows that the server refused are merged in row order.
        """
        chunk = opened.chunk
        refused: list[tuple[int, str | None, str, str]] = [
            (row.offset, row.id, row.error, row.reason) for row in opened.refused
        ]
        for offset, each in refusals.items():
            id = opened.ids[int(np.searchsorted(opened.offsets, offset))].as_py()
            refused.append((offset, id, each.error, each.reason))
        refused = sorted(refused, key=lambda each: each[0])[: self._plan.dead_letters_per_chunk]
        packed = self._row_bytes_of(file, opened, [offset for offset, *_ in refused])
        expires_at = expiry(self._plan.dead_letter_days)
        row_group_stops = np.cumsum(file.row_group_rows)
        return [
            DeadLetter(
                build=self._plan.build,
                source=file.url,
                chunk=chunk.number,
                row_group=int(np.searchsorted(row_group_stops, chunk.start + offset, side="right")),
                row=chunk.start + offset,
                row_number=chunk.first_row_number + offset,
                id=id,
                error=error,
                reason=reason,
                expires_at=expires_at,
                row_bytes=packed[offset],
            )
            for offset, id, error, reason in refused
        ]

    def _row_bytes_of(self, file: SourceFile, opened: _OpenChunk, rows: Sequence[int]) -> dict[int, bytes]:
        """Return the rows at the offsets `rows` in their dead-letter form.

        An open chunk does not keep its table. If the server refused rows, which is rare, the chunk is read again.
        """
        if all(row in opened.refused_bytes for row in rows):
            return opened.refused_bytes
        _, table = next(iter(read_span(file, [opened.chunk], self._plan.columns)))
        return {row: pack_row(table, row) for row in rows}


def _sample_rows(valid: ValidRows, chunk: Chunk) -> dict[int, RowSample]:
    """Return candidate sample rows of a chunk, by offset.

    They are spread over the chunk and include its first and last row. They are picked before the server has answered,
    because the vectors are not kept until then.
    """
    rows = np.unique(np.linspace(0, len(valid.ids) - 1, min(_CANDIDATES, len(valid.ids)), dtype=np.int64))
    return {
        int(valid.offsets[row]): {
            "id": valid.ids[row],
            "row_number": chunk.first_row_number + int(valid.offsets[row]),
            "vector": packed_vector(valid.vectors[row]),
        }
        for row in rows.tolist()
    }
