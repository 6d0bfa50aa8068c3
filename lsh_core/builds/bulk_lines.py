"""Rows of a bulk request, made from vectors, codes and the other columns. Pure: no I/O."""

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
"""Versions from here on are live changes: later than every row of a load, whose version is its row number."""


def delete_line(identity: str, position: int) -> bytes:
    """Return the action line that deletes a document by the change at `position` of the journal."""
    version = LIVE_VERSION + position
    return b'{"delete":{"_id":%b,"version":%d,"version_type":"external_gte"}}\n' % (orjson.dumps(identity), version)


class BulkLineEncoder:
    """Writes rows as the two lines, action and document, of a bulk request.

    Parameters
    ----------
    field
        The vector column, whose retrieval strategy writes its codes.
    fields
        The mapping's ``properties`` of the other columns.
    """

    def __init__(self, field: VectorField, fields: Mapping[str, Mapping[str, Any]]) -> None:
        self._field, self._fields = field, fields
        column = orjson.dumps(field.column)
        self._vector = b',"version_type":"external_gte"}}\n{' + column + b':"'
        self._own = b'","airlsh":{'
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
        """Return one ``bytes`` a row: its action line and its document line.

        Parameters
        ----------
        ids, vectors, row_numbers
            Id, vector (n, d) and row number of each row. The row number is the document's
            version, so that of a repeated id the last in source order wins, whatever arrives first.
        tokens
            Codes of the model, (n, t); for a model with lists the primary one first.
        near
            Lists that a query with the row's vector visits, (n, m); None for a model without lists.
        chunk
            Number of the chunk that the rows belong to.
        others
            The other columns, n rows.
        partition
            The partition that the rows belong to.
        """
        rest = b"" if partition is None else b',"partition":' + orjson.dumps(partition)
        owns = [b'"chunk":%d,"row":%d%b' % (chunk, row_number, rest) for row_number in row_numbers.tolist()]
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
        """Return one ``bytes`` a row that was written live: it has a position in the journal, and no row number.

        Parameters
        ----------
        positions
            Position of each row's change; the version is above that of every row of a load.
        partitions
            The partition of each row, or None.
        """
        owns = [
            b'"change":%d' % position + (b"" if partition is None else b',"partition":' + orjson.dumps(partition))
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
        # The server reads base64 as big-endian float32; anything else would be silent rubbish.
        big_endian = memoryview(np.ascontiguousarray(vectors, dtype=">f4").data).cast("B")
        width = 4 * vectors.shape[1]
        rest = self._rest(others)
        lines = []
        for row, (identity, version, own) in enumerate(zip(ids, versions, owns, strict=True)):
            vector = b2a_base64(big_endian[row * width : (row + 1) * width], newline=False)
            lines.append(
                b"".join(
                    (
                        b'{"index":{"_id":',
                        orjson.dumps(identity),
                        b',"version":',
                        b"%d" % version,
                        self._vector,
                        vector,
                        self._own,
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
        """Return the other columns of each row as ``,"name":value,...``; empty values are left out."""
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
    """Write a value inside a list or struct that JSON does not know."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
