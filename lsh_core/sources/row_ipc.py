"""One row of a table as bytes that need no schema beside them: what journal and dead letters keep of a row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa


def pack_row(table: pa.Table, offset: int) -> bytes:
    """Return row `offset` of `table` as an Arrow IPC stream, names and types included.

    A dictionary column comes back as a column of its values: the dictionary is the whole table's.
    """
    row = table.slice(offset, 1).combine_chunks().replace_schema_metadata(None)
    for position, column in enumerate(row.columns):
        if isinstance(column.type, pa.DictionaryType):
            row = row.set_column(position, row.column_names[position], column.cast(column.type.value_type))
    # Buffers of a slice are those of its table: taking the row copies what is its own.
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
    """Read many rows; yield tables of those that share a schema, each with the positions of its rows in `rows`."""
    groups: dict[str, tuple[list[int], list[pa.Table]]] = {}
    for position, data in enumerate(rows):
        table = unpack_row(data)
        positions, tables = groups.setdefault(str(table.schema), ([], []))
        positions.append(position)
        tables.append(table)
    for positions, tables in groups.values():
        yield positions, pa.concat_tables(tables).combine_chunks()
