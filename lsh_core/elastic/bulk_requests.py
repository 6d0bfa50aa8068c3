"""Bulk requests: cuts lines into requests, and posts a request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from elastic_transport import ApiResponse
from elasticsearch import Elasticsearch

REQUEST_BYTES = 4 * 2**20
"""Maximum size of requests of live changes. The requests of a load have a size of their own."""

SERVER_TIMEOUT = "5s"
"""Seconds that the server waits for a primary shard.

It is below the time-out of the client: with the server's default of 60 s, a waiting node would look dead.
"""

_HEADERS = {"content-type": "application/x-ndjson", "accept": "application/json"}


def request_sizes(lines: Sequence[bytes], request_bytes: int = REQUEST_BYTES, *, last: bool = True) -> Iterator[int]:
    """Yield the number of `lines` in each next request.

    A request holds as many rows as fit into `request_bytes`, and at least one. Unless `last`, rows that do not fill a
    request are left for the next call.
    """
    rows = size = 0
    for line in lines:
        if rows and size + len(line) > request_bytes:
            yield rows
            rows = size = 0
        rows += 1
        size += len(line)
    if rows and last:
        yield rows


def requests(lines: Sequence[bytes], request_bytes: int = REQUEST_BYTES) -> Iterator[slice]:
    """Yield the slice of `lines` of each request; see `request_sizes`."""
    start = 0
    for size in request_sizes(lines, request_bytes):
        yield slice(start, start + size)
        start += size


def post_bulk(
    client: Elasticsearch, target: str, body: bytes, *, require_alias: bool = True, more: Sequence[str] = ()
) -> ApiResponse[Any]:
    """Post a bulk request to an index or alias.

    The answer has the status and error of each item.

    Parameters
    ----------
    require_alias
        Whether `target` must be an alias, so that a write to a removed alias creates no index.
    more
        Further parts of the answer to request.
    """
    required = "require_alias=true&" if require_alias else ""
    parts = ",".join(("items.*.status", "items.*.error", *more))
    path = f"/{target}/_bulk?{required}timeout={SERVER_TIMEOUT}&filter_path={parts}"
    return client.perform_request("POST", path, headers=_HEADERS, body=body)
