"""Makes request bodies that do not depend on the retrieval strategy. Pure: no I/O."""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Iterable

import numpy as np
import orjson

from lsh_core.builds.mapping import VectorField
from lsh_core.elastic.stored_vectors import asked_for
from lsh_core.retrieval.query import Filter, Query, request_body


def row_query(field: VectorField, id: str) -> Query:
    """Return the search for a stored row, with its vector as its only field."""
    body = request_body({"ids": {"values": [id]}}, 1, ())
    return Query({**body, "docvalue_fields": asked_for(field.column)}, "exact")


def count_query(query_filter: Filter | None) -> Query:
    """Return the search without hits that counts the rows that pass the filter."""
    return Query(request_body(query_filter or {"match_all": {}}, 0, ()), "exact")


def search_lines(index: str, queries: Iterable[Query]) -> bytes:
    """Return the lines of a multi-search: header and body of each of `queries`.

    A shard that does not answer is an error. Vectors that are arrays are written as base64.
    """
    head = b'{"index":%b,"allow_partial_search_results":false' % orjson.dumps(index)
    lines = []
    for query in queries:
        lines += [head, b',"search_type":"dfs_query_then_fetch"}\n' if query.hybrid else b"}\n"]
        lines += [orjson.dumps(query.body, default=_as_base64), b"\n"]
    return b"".join(lines)


def _as_base64(vector: object) -> str:
    """Return a vector as the server reads it: big-endian float32 in base64.

    The server also reads hexadecimal bytes, of two characters for each dimension. Base64 has more than five.
    """
    if not isinstance(vector, np.ndarray):
        raise TypeError(f"{type(vector).__name__} has no JSON form")
    return b2a_base64(vector.astype(">f4").tobytes(), newline=False).decode("ascii")
