"""Network seam of the bulk loader: posts one request to one node."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from lsh_core.elastic.bulk_requests import post_bulk
from lsh_core.elastic.cluster import on_any_node, ring_of
from lsh_core.elastic.connection import Connection
from lsh_core.elastic.liveness import MAX_SECONDS, SilentNodeError, call_with_liveness_check
from lsh_core.elastic.missing_shards import MissingShard, missing_shards
from lsh_core.errors import AirlshError

if TYPE_CHECKING:
    from elastic_transport import ApiResponse
    from elasticsearch import Elasticsearch

T = TypeVar("T")

_TRIAL_SECONDS = 10.0
"""Shorter time-out for a node that hung.

Such a node answers pings right after waking, but real requests only once it has rejoined the cluster.
"""


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

    def __init__(self, connection: Connection, alias: str) -> None:
        self._connection, self._alias = connection, alias
        self._silent: set[int] = set()

    def post(self, node: int, body: bytes) -> BulkAnswer:
        from elastic_transport import ConnectionError as Unreachable
        from elastic_transport import ConnectionTimeout, SerializationError
        from elasticsearch import ApiError

        def ask(client: Elasticsearch) -> ApiResponse[Any]:
            return post_bulk(client, self._alias, body, more=["errors"])

        try:
            longest = _TRIAL_SECONDS if node in self._silent else MAX_SECONDS
            answer = call_with_liveness_check(self._connection.client(node), ask, longest_seconds=longest)
        except SilentNodeError as error:
            self._silent.add(node)
            ring_of(self._connection).failed(node)  # So that calls for the ledger do not wait for this node as well.
            raise NodeUnreachableError(f"{self._connection.urls[node]}: {error}") from error
        except (Unreachable, ConnectionTimeout, SerializationError) as error:
            raise NodeUnreachableError(f"{self._connection.urls[node]}: {error}") from error
        except ApiError as error:
            self._silent.discard(node)
            return BulkAnswer(error.status_code, error.body)
        self._silent.discard(node)
        return BulkAnswer(answer.meta.status, answer.body)

    def primaries_ready(self) -> bool:
        def ask(client: Elasticsearch) -> bool:
            health = client.cluster.health(
                index=self._alias, wait_for_status="yellow", timeout="5s", filter_path="status"
            )
            return health["status"] in ("yellow", "green")

        return self._ask(ask, False)

    def missing_shards(self) -> tuple[MissingShard, ...]:
        return self._ask(lambda client: missing_shards(client, self._alias), ())

    def address(self, node: int) -> str:
        return self._connection.urls[node]

    def _ask(self, action: Callable[[Elasticsearch], T], otherwise: T) -> T:
        """Return the result of the first node that answers, else `otherwise`."""
        from elasticsearch import ApiError

        try:
            return on_any_node(
                self._connection, lambda client: action(client.options(request_timeout=10)), wait_seconds=0
            )
        except (ApiError, AirlshError):
            return otherwise
