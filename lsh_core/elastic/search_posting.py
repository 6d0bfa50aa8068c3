"""Posts searches without the Elasticsearch client, which takes more CPU than the server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from elastic_transport import ConnectionTimeout

from lsh_core.elastic.checked_node import CheckedNode
from lsh_core.elastic.refusals import REQUEST

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

_HEADERS = {
    "accept": "application/vnd.elasticsearch+json; compatible-with=9",
    "content-type": "application/vnd.elasticsearch+x-ndjson; compatible-with=9",
}
_PATH = "/_msearch"
_NAMED = f"{_PATH}?include_named_queries_score=true"


def post_search(client: Elasticsearch, lines: bytes, *, named_scores: bool = False) -> list[dict[str, Any]]:
    """Post the lines of a multi-search; return its responses.

    A good answer is parsed here. After any other outcome but a time-out, the client posts the lines again: it checks
    the answer and raises its errors.

    Parameters
    ----------
    client
        A client of `Connection`.
    named_scores
        Whether hits have the scores of named clauses.
    """
    target = _NAMED if named_scores else _PATH
    (node,) = client.transport.node_pool.all()
    if isinstance(node, CheckedNode):
        try:
            body = node.post(target, lines, _headers_of(client), _seconds_of(client))
        except ConnectionTimeout as error:
            setattr(error, REQUEST, f"POST {_PATH}")
            raise
        if body is not None and (responses := _parsed(body)) is not None:
            return responses
    answer = client.perform_request("POST", target, headers=_HEADERS, body=lines)
    return list(answer.body["responses"])


def _parsed(body: bytes) -> list[dict[str, Any]] | None:
    """Return the responses of an answer, or None if it is not JSON."""
    try:
        return list(orjson.loads(body)["responses"])
    except orjson.JSONDecodeError:
        return None


def _headers_of(client: Elasticsearch) -> dict[str, str]:
    """Return the headers of a search by `client`, with its credentials."""
    credentials = client._headers.get("authorization")
    return _HEADERS if credentials is None else {**_HEADERS, "authorization": credentials}


def _seconds_of(client: Elasticsearch) -> float | None:
    """Return the time-out that `client.options` has set, or None."""
    seconds = client._request_timeout
    return float(seconds) if isinstance(seconds, int | float) else None
