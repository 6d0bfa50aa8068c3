"""Draws a seeded training sample over all files, with bounded reads.

If the source has few more rows than the sample, all row groups are read. Otherwise a systematic sample [1]_ of row
groups is read, spread evenly over the whole source. Within the row groups, one row is drawn from each stratum of equal
size. The sample depends only on the rows of the files, the size and the seed, not on the workers.

References
----------
.. [1] W. G. Cochran, *Sampling Techniques*, 3rd ed., Wiley 1977, chapters 5 (strata) and 8 (systematic).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lsh_core.errors import SourceError
from lsh_core.sources.holdout import are_held_out
from lsh_core.sources.reading import read_span
from lsh_core.sources.source_file import Chunk, SourceFile
from lsh_core.sources.validation import valid_vectors

Counts: TypeAlias = npt.NDArray[np.int64]

READ_PER_SAMPLED = 4
MIN_ROW_GROUPS = 16
_PART_ROWS = 200_000
_BATCH_ROWS = 8_192


@dataclass(frozen=True)
class SamplePart:
    """Sampled rows of one file, read in one pass.

    Attributes
    ----------
    file
        Number of the file.
    offsets
        (m,) int64: rows of the file, ascending.
    """

    file: int
    offsets: Counts


@dataclass(frozen=True)
class _RowGroup:
    file: int
    start: int
    rows: int


def plan_sample(
    files: Sequence[SourceFile], size: int, seed: int, *, min_row_groups: int = MIN_ROW_GROUPS
) -> list[SamplePart]:
    """Choose `size` rows of the source, or all if it has fewer.

    The row groups to read hold at most about `READ_PER_SAMPLED` x `size` rows, or are `min_row_groups` larger row
    groups.

    Returns
    -------
    list of SamplePart
        In source order; each can be read by another worker.

    Raises
    ------
    SourceError
        The source has no rows.
    """
    if size < 1:
        raise ValueError(f"size is {size}, it must be 1 or more")
    groups = list(_row_groups(files))
    if not groups:
        raise SourceError(files[0].url if files else "the source", "has no rows to sample")
    generator = np.random.default_rng(seed)
    quotas = _quotas(np.array([group.rows for group in groups]), size, generator, min_row_groups)
    parts: list[SamplePart] = []
    pending: list[Counts] = []
    pending_rows = 0
    for index, (group, quota) in enumerate(zip(groups, quotas.tolist(), strict=True)):
        if quota:
            pending.append(_draw(group.rows, quota, generator) + group.start)
            pending_rows += group.rows
        is_last = index + 1 == len(groups) or groups[index + 1].file != group.file
        if pending and (is_last or pending_rows >= _PART_ROWS):
            parts.append(SamplePart(group.file, np.concatenate(pending)))
            pending, pending_rows = [], 0
    return parts


def without_held_out(parts: Sequence[SamplePart], files: Sequence[SourceFile]) -> list[SamplePart]:
    """Return the parts without held-out rows; see `lsh_core.sources.holdout`."""
    kept = [
        SamplePart(part.file, part.offsets[~are_held_out(files[part.file].first_row_number + part.offsets)])
        for part in parts
    ]
    return [part for part in kept if len(part.offsets)]


def read_sample_part(
    file: SourceFile,
    part: SamplePart,
    *,
    vector: str,
    dims: int,
    metric: str,
    skipped: Counter[str] | None = None,
) -> npt.NDArray[np.float32]:
    """Read the vectors of a part; rows without a usable vector are left out.

    Parameters
    ----------
    skipped
        Counts the rows that are left out, by the kind of their fault.

    Returns
    -------
    (m, dims) float32
        In source order.
    """
    found = [np.empty((0, dims), np.float32)]
    for _, rows in read_sampled_rows(file, part, [vector]):
        _, vectors, faults = valid_vectors(rows.column(vector), dims=dims, metric=metric)
        found.append(vectors)
        if skipped is not None:
            skipped.update(kind for kind, _ in faults.values())
    return np.concatenate(found)


def read_sampled_rows(file: SourceFile, part: SamplePart, columns: Sequence[str]) -> Iterator[tuple[Counts, pa.Table]]:
    """Yield the rows of a part with their offsets in the file, in batches."""
    for chunk, table in read_span(file, _chunks_around(part), columns):
        first, last = np.searchsorted(part.offsets, (chunk.start, chunk.stop))
        offsets = part.offsets[first:last]
        yield offsets, table.take(offsets - chunk.start)


def _row_groups(files: Sequence[SourceFile]) -> Iterator[_RowGroup]:
    for number, file in enumerate(files):
        start = 0
        for rows in file.row_group_rows:
            if rows:
                yield _RowGroup(number, start, rows)
            start += rows


def _quotas(rows: Counts, size: int, generator: np.random.Generator, min_row_groups: int) -> Counts:
    """Return the number of rows to draw from each row group; their sum is `size`, or all rows."""
    total = int(rows.sum())
    wanted = max(-(-len(rows) * READ_PER_SAMPLED * size // total), min_row_groups)
    if wanted < len(rows):
        # Ticks lie at equal distances over all rows, and each tick draws the same number of rows. So every row has the
        # same chance, in small and in large row groups.
        ticks = (np.arange(wanted) + generator.random()) * (total / wanted)
        hits = np.bincount(np.searchsorted(np.cumsum(rows), ticks, side="right"), minlength=len(rows))[: len(rows)]
        if rows[hits > 0].sum() >= size:
            quotas = np.minimum(_apportioned(hits, size), rows)
            # Rows that a small row group cannot give are drawn from the other row groups that are read.
            room = np.where(hits > 0, rows - quotas, 0)
            return quotas + _apportioned(room, size - int(quotas.sum()))
    return _apportioned(rows, min(size, total))


def _apportioned(weights: Counts, amount: int) -> Counts:
    """Split `amount` into whole numbers by `weights`, each share rounded up at most."""
    if amount == 0:
        return np.zeros_like(weights)
    cumulated = np.cumsum(weights, dtype=np.int64)
    shares: Counts = np.diff(cumulated * amount // cumulated[-1], prepend=0)
    return shares


def _draw(rows: int, quota: int, generator: np.random.Generator) -> Counts:
    """Draw one of each of `quota` strata of `rows` rows."""
    borders = np.arange(quota + 1, dtype=np.int64) * rows // quota
    drawn: Counts = borders[:-1] + generator.integers(np.diff(borders))
    return drawn


def _chunks_around(part: SamplePart) -> list[Chunk]:
    """Cover the sampled rows with small chunks, so that few rows are in memory at once."""
    blocks = np.unique(part.offsets // _BATCH_ROWS).tolist()
    last = int(part.offsets[-1]) + 1
    return [
        Chunk(number, part.file, block * _BATCH_ROWS, min((block + 1) * _BATCH_ROWS, last), 0)
        for number, block in enumerate(blocks)
    ]
