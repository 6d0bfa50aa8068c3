"""Source of corrected rows: matches rows with dead letters by id, and reads them."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lsh_core.errors import SchemaError, SourceError
from lsh_core.jobs.stages.plan import BuildPlan
from lsh_core.partitions import column_value
from lsh_core.settings import ReplaySettings
from lsh_core.sources.batches import read_batches
from lsh_core.sources.chunks import plan_chunks
from lsh_core.sources.columns import check_columns
from lsh_core.sources.dataset import open_dataset
from lsh_core.sources.dead_letter import DeadLetter
from lsh_core.sources.encoder_info import require_encoder
from lsh_core.sources.identifiers import read_identifiers
from lsh_core.sources.partition_types import partition_type
from lsh_core.sources.reading import read_span
from lsh_core.sources.source_file import Chunk, SourceFile

logger = logging.getLogger(__name__)

_ROWS_AT_ONCE = 5_000
_SHOWN = 10

DeadLetters = Mapping[str, Sequence[DeadLetter]]
"""Dead letters of each id, in source order."""


class CorrectedSource:
    """Source with corrected rows: a few rows, or the whole corrected source of a build.

    Raises
    ------
    SchemaError
        A column of the build is missing, or the vectors have another length.
    """

    def __init__(self, settings: ReplaySettings, plan: BuildPlan) -> None:
        self._url, self._id = settings.source, str(settings.id)
        self._dataset = open_dataset(settings.source, settings.source_version)
        columns = check_columns(self._dataset, id=self._id, vector=str(settings.vector))
        require_encoder(columns.encoder, plan.vector.encoder, of=f"index {plan.index}", where=self._url)
        if columns.dims != plan.vector.dims:
            raise SchemaError(
                self._url, str(settings.vector), f"has vectors of {columns.dims} numbers, not {plan.vector.dims}"
            )
        self._folders = {file.url: dict(file.partition_values) for file in plan.files}
        self._types = {key: type_ for file in plan.files for key, type_ in file.partition_types}
        self._columns = list(dict.fromkeys([self._id, str(settings.vector), *plan.fields]))
        self._there = self._dataset.names_with(self._columns)
        for name in self._columns:
            by_folders = all(name in values for values in self._folders.values())
            if name not in self._there and not by_folders:
                raise SchemaError(self._url, name, "is missing; the build has it")

    def last_rows(self, dead_letters: DeadLetters) -> tuple[dict[str, int], int]:
        """Return the last row number of each id with a dead letter.

        The second result is the number of rows with other ids.

        Raises
        ------
        SourceError
            All rows have other ids.
        """
        last: dict[str, int] = {}
        others, examples = 0, dict[str, None]()
        for file, first_row, table in read_batches(self._dataset.files, [self._id]):
            ids = read_identifiers(table.column(self._id)).ids
            for row_number, id in enumerate(ids, file.first_row_number + first_row):
                if id is not None and id in dead_letters:
                    last[id] = row_number
                    continue
                others += 1
                if len(examples) < _SHOWN:
                    examples[str(id)] = None
        shown = ", ".join(examples)
        if not last:
            raise SourceError(
                self._url,
                f"none of its {others:,} rows has the id of a dead letter of this build{shown and f': {shown}'}; "
                "`airlsh upsert` is for rows that are new or changed",
            )
        if others:
            logger.info("replay: %d rows have no dead letter and change nothing, such as %s", others, shown)
        return last, others

    def tables(self, rows: Mapping[str, int], dead_letters: DeadLetters) -> Iterator[pa.Table]:
        """Yield `rows`, a result of `last_rows`, with all columns of the build.

        If a column came from the folders of the build's source and the corrected source lacks it, the value comes from
        the folder of the dead letter.
        """
        there = [name for name in self._columns if name in self._there]
        row_numbers = np.array(sorted(rows.values()), np.int64)
        chunks = plan_chunks(self._dataset.files, chunk_rows=_ROWS_AT_ONCE)
        for number, file in enumerate(self._dataset.files):
            for table in _rows_at(file, [chunk for chunk in chunks if chunk.file == number], there, row_numbers):
                ids = read_identifiers(table.column(self._id)).ids
                folders = [self._folders[dead_letters[str(id)][-1].source] for id in ids]
                for name in self._columns:
                    if name not in there:
                        values = [column_value(folder[name]) for folder in folders]
                        column = pa.array(values, pa.string())
                        table = table.append_column(name, column.cast(self._type(name)))
                yield table

    def _type(self, name: str) -> pa.DataType:
        return partition_type(self._types.get(name, "string")) or pa.string()


def _rows_at(
    file: SourceFile, chunks: Sequence[Chunk], columns: Sequence[str], row_numbers: npt.NDArray[np.int64]
) -> Iterator[pa.Table]:
    """Yield the rows of `file` with the given `row_numbers`, in tables of some thousands."""
    offsets: dict[int, npt.NDArray[np.int64]] = {}
    for chunk in chunks:
        first, stop = np.searchsorted(row_numbers, (chunk.first_row_number, chunk.first_row_number + chunk.rows))
        if first < stop:
            offsets[chunk.number] = row_numbers[first:stop] - chunk.first_row_number
    parts: list[pa.Table] = []
    for chunk, table in read_span(file, [chunk for chunk in chunks if chunk.number in offsets], columns):
        parts.append(table.take(pa.array(offsets[chunk.number], pa.int64())))
        if sum(map(len, parts)) >= _ROWS_AT_ONCE:
            yield pa.concat_tables(parts)
            parts = []
    if parts:
        yield pa.concat_tables(parts)
