"""Encodes rows as lines of a bulk request. Pure: no I/O.

The input is ids, vectors, tokens and the other columns.
"""

from __future__ import annotations

import base64
from binascii import b2a_base64
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from lsh_core.builds.field_types import as_json_columns
from lsh_core.builds.mapping import VectorField

LIVE_VERSION = 2**62
"""First version of live changes. Versions of a load are row numbers and stay below it, so a live change wins over a
loaded row.
"""


def delete_line(id: str, position: int) -> bytes:
    """Return the action line of a delete.

    The version of the delete follows from `position`, the position of the change in the journal.
    """
    version = LIVE_VERSION + position
    return b'{"delete":{"_id":%b,"version":%d,"version_type":"external_gte"}}\n' % (orjson.dumps(id), version)


class BulkLineEncoder:
    """Encodes each row as two lines of a bulk request: action and document.

    Parameters
    ----------
    field
        Vector column. Its retrieval strategy writes the codes.
    fields
        The mapping's ``properties`` of the other columns.
    """

    def __init__(self, field: VectorField, fields: Mapping[str, Mapping[str, Any]]) -> None:
        self._field, self._fields = field, fields
        column = orjson.dumps(field.column)
        self._vector = b',"version_type":"external_gte"}}\n{' + column + b':"'
        self._own = b'","airlsh":{"id":'
        self._copy = field.strategy.vector_copy

    def rows(
        self,
        ids: Sequence[str],
        vectors: npt.NDArray[np.float32],
        tokens: npt.NDArray[np.int64],
        near: npt.NDArray[np.int64] | None,
        *,
        chunk: int,
        row_numbers: npt.NDArray[np.int64],
        others: pa.Table,
        partition: str | None = None,
    ) -> list[bytes]:
        """Return one ``bytes`` per row: its action line and its document line.

        Parameters
        ----------
        ids, vectors, row_numbers
            Id, vector (n, d) and row number of each row. The row number is the version of the document: of the rows
            with one id the last in source order wins, in any order of arrival.
        tokens
            Codes of the model, (n, t). For a model with lists, the primary list comes first.
        near
            Lists that a query with the vector of the row visits, (n, m). None for a model without lists.
        chunk
            Number of the chunk that the rows belong to.
        others
            The other columns, n rows.
        partition
            The partition that the rows belong to.
        """
        rest = b"" if partition is None else b',"partition":' + orjson.dumps(partition)
        owns = [b',"chunk":%d,"row":%d%b' % (chunk, row_number, rest) for row_number in row_numbers.tolist()]
        return self._lines(ids, vectors, tokens, near, row_numbers.tolist(), owns, others)

    def live_rows(
        self,
        ids: Sequence[str],
        vectors: npt.NDArray[np.float32],
        tokens: npt.NDArray[np.int64],
        near: npt.NDArray[np.int64] | None,
        *,
        positions: Sequence[int],
        partitions: Sequence[str | None],
        others: pa.Table,
    ) -> list[bytes]:
        """Return one ``bytes`` per row that was written live.

        Such a row has a position in the journal and no row number.

        Parameters
        ----------
        positions
            Position of the change of each row. Its version is above the version of every loaded row.
        partitions
            Partition of each row, or None.
        """
        owns = [
            b',"change":%d' % position + (b"" if partition is None else b',"partition":' + orjson.dumps(partition))
            for position, partition in zip(positions, partitions, strict=True)
        ]
        versions = [LIVE_VERSION + position for position in positions]
        return self._lines(ids, vectors, tokens, near, versions, owns, others)

    def _lines(
        self,
        ids: Sequence[str],
        vectors: npt.NDArray[np.float32],
        tokens: npt.NDArray[np.int64],
        near: npt.NDArray[np.int64] | None,
        versions: Sequence[int],
        owns: Sequence[bytes],
        others: pa.Table,
    ) -> list[bytes]:
        codes = self._field.strategy.row_parts(tokens, near)
        before_copy, after_copy = self._copy or (b"", b"")
        # The server reads base64 as big-endian float32. Little-endian bytes would be accepted and give wrong numbers.
        big_endian = memoryview(np.ascontiguousarray(vectors, dtype=">f4").data).cast("B")
        width = 4 * vectors.shape[1]
        rest = self._rest(others)
        lines = []
        for row, (id, version, own) in enumerate(zip(ids, versions, owns, strict=True)):
            vector = b2a_base64(big_endian[row * width : (row + 1) * width], newline=False)
            quoted_id = orjson.dumps(id)
            lines.append(
                b"".join(
                    (
                        b'{"index":{"_id":',
                        quoted_id,
                        b',"version":',
                        b"%d" % version,
                        self._vector,
                        vector,
                        self._own,
                        quoted_id,
                        own,
                        codes[row],
                        before_copy,
                        vector if self._copy else b"",
                        after_copy,
                        b"}",
                        rest[row],
                        b"}\n",
                    )
                )
            )
        return lines

    def _rest(self, others: pa.Table) -> list[bytes]:
        """Return the other columns of each row as ``,"name":value,...``. Empty values are omitted."""
        if not others.num_columns:
            return [b""] * others.num_rows
        columns = [column.to_pylist() for column in as_json_columns(others, self._fields).columns]
        names = others.column_names
        rest = []
        for values in zip(*columns, strict=True):
            kept = {name: value for name, value in zip(names, values, strict=True) if value is not None}
            rest.append(b"," + orjson.dumps(kept, default=_as_json)[1:-1] if kept else b"")
        return rest


def _as_json(value: object) -> str:
    """Convert a value inside a list or struct that JSON does not support."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
