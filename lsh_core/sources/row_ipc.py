"""Packs one row of a table as an Arrow IPC stream."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa


def pack_row(table: pa.Table, offset: int) -> bytes:
    """Return row `offset` of `table` as an Arrow IPC stream, names and types included.

    Journal and dead letters keep rows in this form. A dictionary column comes back as a column of its values, since the
    dictionary belongs to the whole table.
    """
    row = table.slice(offset, 1).combine_chunks().replace_schema_metadata(None)
    for position, column in enumerate(row.columns):
        if isinstance(column.type, pa.DictionaryType):
            row = row.set_column(position, row.column_names[position], column.cast(column.type.value_type))
    # A slice shares the buffers of its table; `take` copies the row alone.
    own = row.take(pa.array([0], pa.int64()))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, own.schema) as stream:
        stream.write_table(own)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def unpack_row(data: bytes) -> pa.Table:
    """Return the table of one row that `pack_row` wrote."""
    with pa.ipc.open_stream(data) as stream:
        return stream.read_all()


def unpack_groups(rows: Sequence[bytes]) -> Iterator[tuple[list[int], pa.Table]]:
    """Read many rows; yield one table per schema, with the positions of its rows in `rows`."""
    groups: dict[str, tuple[list[int], list[pa.Table]]] = {}
    for position, data in enumerate(rows):
        table = unpack_row(data)
        positions, tables = groups.setdefault(str(table.schema), ([], []))
        positions.append(position)
        tables.append(table)
    for positions, tables in groups.values():
        yield positions, pa.concat_tables(tables).combine_chunks()
