"""Network seam of the bulk loader: posts one request to one node."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple, Protocol, TypeVar

from elastic_transport import ApiResponse, ConnectionTimeout, SerializationError
from elastic_transport import ConnectionError as Unreachable
from elasticsearch import ApiError, Elasticsearch

from lsh_core.elastic.bulk_requests import post_bulk
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.liveness import SilentNodeError
from lsh_core.elastic.missing_shards import MissingShard, missing_shards
from lsh_core.errors import AirlshError

T = TypeVar("T")

_ASK_SECONDS = 10.0
"""Time-out of questions about shards."""


class NodeUnreachableError(Exception):
    """The node did not answer: refused, reset or timed out.

    The request may have been executed nevertheless.
    """


class BulkAnswer(NamedTuple):
    """Status and JSON body of an answer; the body is None if there is none."""

    status: int
    body: Any


class BulkTransport(Protocol):
    """Posts bulk bodies to nodes; tests substitute scripted nodes."""

    def post(self, node: int, body: bytes) -> BulkAnswer:
        """Post `body` to node number `node`.

        Raises
        ------
        NodeUnreachableError
            No answer came.
        """

    def primaries_ready(self) -> bool:
        """Return whether every primary shard of the index is assigned, according to any node."""

    def missing_shards(self) -> tuple[MissingShard, ...]:
        """Return the shards without a primary, according to any node.

        Empty if no node answers.
        """

    def address(self, node: int) -> str:
        """Return the address of node number `node`."""


class ElasticTransport:
    """Posts to a real cluster through the write alias of one build."""

    def __init__(self, cluster: Cluster, alias: str) -> None:
        self._cluster, self._alias = cluster, alias
        self._quick = replace(cluster, wait_seconds=0, request_seconds=_ASK_SECONDS)

    def post(self, node: int, body: bytes) -> BulkAnswer:
        def ask(client: Elasticsearch) -> ApiResponse[Any]:
            return post_bulk(client, self._alias, body, more=["errors"])

        try:
            answer = self._cluster.call_node(node, ask)
        except (Unreachable, ConnectionTimeout, SerializationError, SilentNodeError) as error:
            raise NodeUnreachableError(f"{self._cluster.urls[node]}: {error}") from error
        except ApiError as error:
            return BulkAnswer(error.status_code, error.body)
        return BulkAnswer(answer.meta.status, answer.body)

    def primaries_ready(self) -> bool:
        return self._ask(lambda: _has_primaries(self._quick, self._alias), False)

    def missing_shards(self) -> tuple[MissingShard, ...]:
        return self._ask(lambda: missing_shards(self._quick, self._alias), ())

    def address(self, node: int) -> str:
        return self._cluster.urls[node]

    def _ask(self, question: Callable[[], T], otherwise: T) -> T:
        """Return the answer to `question`, or `otherwise` if no node answers."""
        try:
            return question()
        except (ApiError, AirlshError):
            return otherwise


def _has_primaries(cluster: Cluster, alias: str) -> bool:
    health = cluster.run(
        lambda client: client.cluster.health(index=alias, wait_for_status="yellow", timeout="5s", filter_path="status")
    )
    return health["status"] in ("yellow", "green")
