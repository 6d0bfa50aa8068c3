"""Groups chunks into spans, so that most row groups are decoded once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from heapq import heapify, heapreplace
from itertools import accumulate, pairwise

from lsh_core.sources.source_file import Chunk, SourceFile, Span

ALIGNED_SPANS_PER_PARALLELISM = 4

_Chunks = tuple[Chunk, ...]


def plan_spans(files: Sequence[SourceFile], chunks: Sequence[Chunk], *, parallelism: int) -> list[Span]:
    """Group chunks into spans, each read by one worker in one pass.

    About `ALIGNED_SPANS_PER_PARALLELISM` x `parallelism` spans begin at row-group borders, which balances the work at
    no cost. A row group is split over spans only if its file has too few row groups for its share of `parallelism`.
    Each span decodes the row group from its beginning, so that `s` spans over one row group cost (s + 1) / 2 reads.

    A sequential file is one span.

    Parameters
    ----------
    chunks
        Chunks of a plan that are not loaded yet, in source order.
    parallelism
        Number of spans that are read at the same time: the workers' threads.

    Returns
    -------
    list of Span
        An exact cover of `chunks`, in source order.
    """
    if parallelism < 1:
        raise ValueError(f"parallelism is {parallelism}, it must be 1 or more")
    total = sum(chunk.rows for chunk in chunks)
    spans: list[Span] = []
    for number, of_file in _by_file(chunks):
        file = files[number]
        rows = sum(chunk.rows for chunk in of_file)
        at_least = -(-parallelism * rows // total)
        at_most = -(-ALIGNED_SPANS_PER_PARALLELISM * parallelism * rows // total)
        if file.sequential:
            parts: Iterable[_Chunks] = [tuple(of_file)]
        else:
            segments = _aligned_segments(file.row_group_rows, of_file)
            is_enough = len(segments) >= at_least
            parts = _joined(segments, at_most) if is_enough else _split(segments, at_least)
        spans.extend(Span(file, part) for part in parts)
    return spans


def _by_file(chunks: Sequence[Chunk]) -> Iterator[tuple[int, list[Chunk]]]:
    of_file: list[Chunk] = []
    for chunk in chunks:
        if of_file and of_file[-1].file != chunk.file:
            yield of_file[-1].file, of_file
            of_file = []
        of_file.append(chunk)
    if of_file:
        yield of_file[-1].file, of_file


def _aligned_segments(row_group_rows: Sequence[int], chunks: Sequence[Chunk]) -> list[_Chunks]:
    """Cut between two chunks if no row group holds rows of both."""
    starts = list(accumulate(row_group_rows, initial=0))
    segments: list[_Chunks] = []
    current: list[Chunk] = []
    for chunk in chunks:
        if current and bisect_right(starts, chunk.start) != bisect_right(starts, current[-1].stop - 1):
            segments.append(tuple(current))
            current = []
        current.append(chunk)
    segments.append(tuple(current))
    return segments


def _joined(segments: Sequence[_Chunks], at_most: int) -> Iterator[_Chunks]:
    """Join neighbouring segments into about `at_most` spans of about the same rows."""
    if len(segments) < 2 * at_most:  # mixing spans of two segments with spans of one would be less even
        yield from segments
        return
    total = sum(chunk.rows for segment in segments for chunk in segment)
    joined: list[Chunk] = []
    done = 0  # rows of this span and those before it
    border = 1
    for segment in segments:
        joined.extend(segment)
        done += sum(chunk.rows for chunk in segment)
        if done * at_most >= total * border:
            yield tuple(joined)
            joined = []
            border = done * at_most // total + 1


def _split(segments: Sequence[_Chunks], at_least: int) -> Iterator[_Chunks]:
    """Split the largest segments until there are `at_least` spans, or a span for each chunk."""
    pieces = [1] * len(segments)
    # Shares are negative, so that the largest comes first. A segment with one span per chunk has share 0.
    rows = [sum(chunk.rows for chunk in segment) for segment in segments]
    heap = [(-rows[index] if len(segment) > 1 else 0, index) for index, segment in enumerate(segments)]
    heapify(heap)
    for _ in range(at_least - len(segments)):
        share, index = heap[0]
        if share == 0:
            break
        pieces[index] += 1
        share = -rows[index] // pieces[index] if pieces[index] < len(segments[index]) else 0
        heapreplace(heap, (share, index))
    for segment, count in zip(segments, pieces, strict=True):
        borders = [len(segment) * piece // count for piece in range(count + 1)]
        yield from (segment[first:last] for first, last in pairwise(borders))
