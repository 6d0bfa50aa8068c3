"""Cuts files into chunks, with every row in exactly one chunk.

A chunk is hashed, loaded, entered in the ledger and, after a failure, retried as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from lsh_core.sources.source_file import Chunk, SourceFile

CHUNKS_PER_WORKER = 8
MAX_ROWS = 50_000
MIN_ROWS = 500


def chunk_rows_for(rows: int, *, row_bytes: int, nodes: int, workers: int, chunk_bytes: int) -> int:
    """Return the default maximum of rows per chunk.

    Where the rows allow, each node and worker gets at least `CHUNKS_PER_WORKER` chunks, so that none waits long for the
    last chunk of another. A chunk has `MIN_ROWS` to `MAX_ROWS` rows, and never more than `chunk_bytes`.

    Parameters
    ----------
    row_bytes
        Bytes of one row's vector.
    """
    balanced = rows // (CHUNKS_PER_WORKER * max(1, nodes) * max(1, workers))
    wanted = min(max(balanced, MIN_ROWS), MAX_ROWS)
    return max(1, min(wanted, chunk_bytes // max(1, row_bytes)))


def plan_chunks(files: Sequence[SourceFile], *, chunk_rows: int) -> list[Chunk]:
    """Cut files into chunks of at most `chunk_rows` rows.

    Row groups are first joined into blocks of at least half a chunk, then each block is cut into equal chunks. A chunk
    has at most `chunk_rows` rows, and at least half as many unless its whole file is smaller. Blocks end at row-group
    borders, so that workers need not decode a row group twice.

    Returns
    -------
    list of Chunk
        An exact cover in source order: consecutive numbers, no chunk across two files.
    """
    if chunk_rows < 1:
        raise ValueError(f"chunk_rows is {chunk_rows}, it must be 1 or more")
    chunks: list[Chunk] = []
    for number, file in enumerate(files):
        start = 0
        for rows in _blocks(file.row_group_rows, chunk_rows):
            pieces = -(-rows // chunk_rows)
            borders = [start + rows * piece // pieces for piece in range(pieces + 1)]
            for first, last in pairwise(borders):
                chunks.append(Chunk(len(chunks), number, first, last, file.first_row_number + first))
            start += rows
    return chunks


def _blocks(row_group_rows: Sequence[int], chunk_rows: int) -> Iterator[int]:
    """Yield the rows of each block of row groups: at least half a chunk, but for the last block."""
    min_rows = -(-chunk_rows // 2)
    closed: int | None = None  # held back by one, so that a small rest can join it
    block = 0
    for rows in row_group_rows:
        if block >= min_rows and block + rows > chunk_rows:
            if closed is not None:
                yield closed
            closed, block = block, 0
        block += rows
    if closed is not None and block < min_rows:
        closed, block = closed + block, 0
    if closed is not None:
        yield closed
    if block:
        yield block
