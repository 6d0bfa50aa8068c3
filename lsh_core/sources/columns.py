"""Checks of the id and vector columns of a source, before any work is done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.types as types

from lsh_core.errors import SchemaError
from lsh_core.sources.chunks import plan_chunks
from lsh_core.sources.dataset import Dataset
from lsh_core.sources.encoder_info import EncoderInfo
from lsh_core.sources.identifiers import check_id_type
from lsh_core.sources.reading import read_span
from lsh_core.sources.vectors import as_list_array, check_vector_type, list_shape

_ROWS_FOR_DIMS = 1_000


@dataclass(frozen=True)
class SourceColumns:
    """The columns of a source that are used.

    Attributes
    ----------
    id, vector
        Names of the columns with the ids and the vectors.
    dims
        Components of a vector.
    others
        The other columns that are kept, partition columns among them.
    encoder
        Encoder of the vectors; None where the files name none.
    left_out
        Columns that are used only if named: the unnamed indices of pandas.
    """

    id: str
    vector: str
    dims: int
    others: pa.Schema
    encoder: EncoderInfo | None = None
    left_out: tuple[str, ...] = ()


def check_columns(dataset: Dataset, *, id: str, vector: str, columns: Sequence[str] | None = None) -> SourceColumns:
    """Check that the columns exist and have types that can be indexed.

    Parameters
    ----------
    columns
        Other columns to keep; None keeps all.

    Returns
    -------
    SourceColumns
        ``dims`` is the list size of fixed-size lists, else the most frequent length among the first rows with a vector.

    Raises
    ------
    SchemaError
        A column is missing, or its type cannot be used.
    """
    if id == vector:
        raise SchemaError(dataset.url, id, "cannot be both the id and the vector")
    check_id(dataset, id)
    sizes = _check_vector(dataset, vector)
    named = dataset.names if columns is None else columns
    for name in named:
        dataset.column(name)
    kept = [each.name for each in dataset.columns if each.name in named and each.name not in (id, vector)]
    dims = sizes.pop() if sizes else _dims_from_rows(dataset, vector)
    if dims < 1:
        raise SchemaError(dataset.url, vector, "has vectors of the fixed size 0")
    made_them = dataset.encoder is not None and dataset.encoder.column == vector
    left_out = tuple(name for name in dataset.columns_left_out if name not in (*kept, id, vector))
    others = dataset.schema_of(kept)
    return SourceColumns(id, vector, dims, others, dataset.encoder if made_them else None, left_out)


def check_id(dataset: Dataset, name: str) -> None:
    """Raise `SchemaError` unless every file has the column `name`, and its values can be ids."""
    column = dataset.column(name)
    column.require_everywhere()
    for type_, url in column.types:
        if not types.is_null(type_):  # Each row is refused for its missing id.
            check_id_type(type_, where=url, column=name)


def _check_vector(dataset: Dataset, name: str) -> set[int]:
    """Check the vector column; return its fixed size, or None if the size is not fixed."""
    column = dataset.column(name)
    column.require_everywhere()
    sizes: dict[int, str] = {}
    for type_, url in column.types:
        check_vector_type(type_, where=url, column=name)
        if isinstance(type_, pa.FixedSizeListType):
            sizes.setdefault(type_.list_size, url)
    if len(sizes) > 1:
        (first, first_url), (second, second_url) = list(sizes.items())[:2]
        reason = f"has vectors of {second} numbers, but in {first_url} they have {first}"
        raise SchemaError(second_url, name, reason)
    return set(sizes)


def _dims_from_rows(dataset: Dataset, vector: str) -> int:
    """Return the most frequent length, so that one row of a wrong length decides nothing."""
    for file in dataset.files:
        for _, table in read_span(file, plan_chunks([file], chunk_rows=_ROWS_FOR_DIMS), [vector]):
            lengths = list_shape(as_list_array(table.column(vector))).lengths
            counts = Counter(lengths[lengths > 0].tolist())
            if counts:
                return int(counts.most_common(1)[0][0])
    raise SchemaError(dataset.url, vector, "holds no vector in any row, so its number of dimensions is unknown")
