"""Converts rows of users to the form of the journal. Pure: no I/O."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from lsh_core.builds.mapping import VectorField
from lsh_core.choices import choice_of
from lsh_core.errors import SchemaError, SourceError
from lsh_core.live.change_writer import ID_COLUMN, VECTOR_COLUMN
from lsh_core.live.journal import Change
from lsh_core.redaction import quoted
from lsh_core.sources.arrays import AnyArray
from lsh_core.sources.column_types import is_pandas_index
from lsh_core.sources.identifiers import check_id_type
from lsh_core.sources.plain_types import plain_table
from lsh_core.sources.row_ipc import pack_row
from lsh_core.sources.validation import ValidRows, validate_rows
from lsh_core.sources.vectors import as_list_array, check_vector_type

KeyOf = Callable[[int], str]
Rows = pa.Table | Iterable[Mapping[str, Any]]
"""Input rows: a table, a DataFrame, or mappings from column names to values.

Any object with the Arrow C stream interface counts as a table, such as DataFrames of pandas and polars.
"""

_NOT_OF_ONE_TYPE = (pa.ArrowException, OverflowError, TypeError, ValueError)
_SHOWN_CHARACTERS = 60


def as_table(rows: Rows, where: str, first_row: int) -> pa.Table:
    """Return rows as a table with the union of their columns.

    A missing value is null.

    Raises
    ------
    SchemaError
        The values of a column have several types.
    """
    if isinstance(rows, pa.Table):
        return rows
    if hasattr(rows, "__arrow_c_stream__") or isinstance(rows, pa.RecordBatch):
        return _handed_over(rows, where)
    example = "[{'id': 'a', 'embedding': [0.1, 0.2]}]"
    if isinstance(rows, Mapping | str | bytes | np.ndarray) or not isinstance(rows, Iterable):
        raise SourceError(where, f"{type(rows).__name__} is not rows: give a list of mappings such as {example}")
    rows = list(rows)
    given: Sequence[object] = rows
    for number, row in enumerate(given):
        if not isinstance(row, Mapping):
            kind = type(row).__name__
            raise SourceError(where, f"row {first_row + number} is a {kind}; rows map names of columns to values")
    names = dict.fromkeys(name for each in rows for name in each)
    for name in names:
        if not isinstance(name, str):
            raise SourceError(where, f"{name!r} is a {type(name).__name__}; names of columns are texts")
    return pa.table({name: _column([each.get(name) for each in rows], where, name, first_row) for name in names})


def _handed_over(rows: Any, where: str) -> pa.Table:
    """Return a DataFrame or another tabular object as a table.

    The index columns of pandas are left out.
    """
    try:
        table = pa.Table.from_batches([rows]) if isinstance(rows, pa.RecordBatch) else pa.table(rows)
    except _NOT_OF_ONE_TYPE as error:
        raise SourceError(where, f"{type(rows).__name__} cannot be read as a table: {error}") from None
    return table.drop_columns([name for name in table.column_names if is_pandas_index(name)])


def _column(values: list[Any], where: str, name: str, first_row: int) -> AnyArray:
    try:
        column = _array(values)
    except _NOT_OF_ONE_TYPE as error:
        sizes = range(1, len(values) + 1)
        place = bisect_left(sizes, True, key=lambda size: not _is_of_one_type(values[:size]))
        shown = quoted(values[place], _SHOWN_CHARACTERS)
        before = f", and {_array(values[:place]).type} before that" if place else ""
        raise SchemaError(where, name, f"holds {shown} in row {first_row + place}{before}: {error}") from None
    return column


def _array(values: list[Any]) -> AnyArray:
    try:
        array: AnyArray = pa.array(values)
    except OverflowError:  # Arrow infers int64 for every integer; a hash may need the 64th bit.
        array = pa.array(values, pa.uint64())
    return array


def _is_of_one_type(values: list[Any]) -> bool:
    try:
        _array(values)
    except _NOT_OF_ONE_TYPE:
        return False
    return True


def rename_columns(table: pa.Table, *, id: str, vector: str, where: str) -> pa.Table:
    """Return the table with the journal's names for the id and vector columns.

    Raises
    ------
    SchemaError
        A column is missing or has an unusable type, or another column has a reserved name.
    """
    for name in (id, vector):
        if name not in table.column_names:
            raise SchemaError(where, name, f"does not exist: {choice_of(name, table.column_names)}")
    for name in {ID_COLUMN, VECTOR_COLUMN} - {id, vector}:
        if name in table.column_names:
            raise SchemaError(where, name, "cannot be the name of a field; leave it out")
    table = plain_table(table)
    check_id_type(table.schema.field(id).type, where=where, column=id)
    check_vector_type(table.schema.field(vector).type, where=where, column=vector)
    own = {ID_COLUMN: table.column(id), VECTOR_COLUMN: as_list_array(table.column(vector))}
    others = {name: table.column(name) for name in table.column_names if name not in (id, vector)}
    return pa.table({**own, **others})


def valid_rows(table: pa.Table, field: VectorField, where: str, first_row: int) -> ValidRows:
    """Return the rows of a table of `rename_columns`.

    The first row that cannot be indexed raises `SourceError`.
    """
    valid = validate_rows(table, id=ID_COLUMN, vector=VECTOR_COLUMN, dims=field.dims, metric=field.metric)
    if valid.refused:
        row = valid.refused[0]
        more = f"; {len(valid.refused)} rows of this part were refused" if len(valid.refused) > 1 else ""
        raise SourceError(
            where, f"row {first_row + row.offset}: {row.error}: {row.reason}{more}; nothing of it written"
        )
    return valid


def upserts(
    table: pa.Table, field: VectorField, *, partition: str | None, where: str, first_row: int, key: KeyOf | None
) -> list[Change]:
    """Validate all rows of a `rename_columns` table; return one change per id.

    The change of an id is its last row.
    """
    valid = valid_rows(table, field, where, first_row)
    last = {id: row for row, id in enumerate(valid.ids)}
    offsets = sorted(last.values())
    chosen = table.take(pa.array(offsets, pa.int64()))
    return [
        Change(
            valid.ids[row],
            "upsert",
            pack_row(chosen, place),
            partition,
            key=key(first_row + row) if key is not None else None,
        )
        for place, row in enumerate(offsets)
    ]
