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

from lsh_core.indexing.field_types import as_json_columns
from lsh_core.indexing.mapping import VectorField


class DocumentWriter:
    """Writes rows as the two lines, action and document, of a bulk request.

    Parameters
    ----------
    field
        The vector column and how its tokens are written.
    fields
        The mapping's ``properties`` of the other columns.
    """

    def __init__(self, field: VectorField, fields: Mapping[str, Mapping[str, Any]]) -> None:
        self._field, self._fields = field, fields
        column = orjson.dumps(field.column)
        self._vector = b',"version_type":"external_gte"}}\n{' + column + b':"'
        self._tokens = b'","airlsh":{"tokens":{' + column + b":["
        self._list = b']},"list":{' + column + b":"
        self._near = b'},"near":{' + column + b":["

    def rows(
        self,
        ids: Sequence[str],
        vectors: npt.NDArray[np.float32],
        tokens: npt.NDArray[np.int64],
        near: npt.NDArray[np.int64] | None,
        *,
        chunk: int,
        places: npt.NDArray[np.int64],
        others: pa.Table,
    ) -> list[bytes]:
        """Return one ``bytes`` a row: its action line and its document line.

        Parameters
        ----------
        ids, vectors, places
            Id, vector (n, d) and place in the whole source of each row. The place is the document's
            version, so that of a repeated id the last in source order wins, whatever arrives first.
        tokens
            Codes of the model, (n, t).
        near
            The nearest lists, (n, m), the primary one first; None for a model without lists.
        chunk
            Number of the chunk that the rows belong to.
        others
            The other columns, n rows.
        """
        words = self._field.tokens.json_lists(tokens)
        lists = self._list_parts(near, len(ids))
        # The server reads base64 as big-endian float32; anything else would be silent rubbish.
        big_endian = memoryview(np.ascontiguousarray(vectors, dtype=">f4").data).cast("B")
        width = 4 * vectors.shape[1]
        tail = b',"chunk":%d,"row":' % chunk
        rest = self._rest(others)
        lines = []
        for row, (identity, place) in enumerate(zip(ids, places.tolist(), strict=True)):
            number = b"%d" % place
            lines.append(
                b"".join(
                    (
                        b'{"index":{"_id":',
                        orjson.dumps(identity),
                        b',"version":',
                        number,
                        self._vector,
                        b2a_base64(big_endian[row * width : (row + 1) * width], newline=False),
                        self._tokens,
                        words[row],
                        lists[row],
                        tail,
                        number,
                        b"}",
                        rest[row],
                        b"}\n",
                    )
                )
            )
        return lines

    def _list_parts(self, near: npt.NDArray[np.int64] | None, count: int) -> list[bytes]:
        if near is None:
            return [b"]}"] * count
        words = self._field.tokens.json_lists(near[:, : self._field.near])
        primaries = near[:, 0].tolist()
        return [
            b"".join((self._list, b"%d" % primary, self._near, text, b"]}"))
            for primary, text in zip(primaries, words, strict=True)
        ]

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
