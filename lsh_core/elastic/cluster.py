"""Cluster behind a connection: selects answering nodes, and requires answers of every shard."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from typing import Any, TypeVar

from elasticsearch import ApiError, Elasticsearch, TransportError

from lsh_core.elastic.bulk_answers import RETRYABLE_STATUSES
from lsh_core.elastic.connection import Connection
from lsh_core.elastic.liveness import SilentNodeError, call_with_liveness_check
from lsh_core.elastic.node_pool import NodePool
from lsh_core.elastic.refusals import refusal_of, said_by
from lsh_core.errors import AccessError, PartialAnswerError, UnavailableError

T = TypeVar("T")

_BRIEF_SECONDS = 5.0
_HEALTH_SECONDS = 10.0
_HINT = (
    "Is it running? `airlsh status` shows the local stack, `airlsh up` starts it; --es or AIRLSH_ES_URL choose another."
)


def on_any_node(
    connection: Connection,
    action: Callable[[Elasticsearch], T],
    *,
    first: int = 0,
    wait_seconds: float = 15.0,
    watch: bool = False,
) -> T:
    """Run `action` with the client of node `first`, or of the next answering node.

    `action` may run more than once, so it must be idempotent.

    A node that refuses the request is not skipped: its answer is raised. A node that is missing or overloaded is
    skipped.

    A node that did not answer is used last for a while by all calls of this process, and then tried with a short
    time-out, so that a hung node is waited for once. If no node answers, every call tries all nodes.

    Parameters
    ----------
    watch
        Whether to ping a slow node while its answer is awaited (`call_with_liveness_check`). A hung node is abandoned
        after seconds; a node that waits for another node is not. Costs a thread.

    Raises
    ------
    UnavailableError
        No node answered within `wait_seconds`.
    """
    ring = ring_of(connection)
    started = time.monotonic()
    while True:
        last: Exception | None = None
        answer: ApiError | None = None  # An answer says more than the silence of a neighbour.
        for node, brief in ring.turns(first):
            client = connection.client(node)
            try:
                if brief:
                    client = client.options(request_timeout=_BRIEF_SECONDS)
                result = call_with_liveness_check(client, action) if watch and not brief else action(client)
            except ApiError as error:
                ring.answered(node)
                if error.status_code not in RETRYABLE_STATUSES:
                    raise _named(error) from error
                answer = error
            except (TransportError, SilentNodeError) as error:
                ring.failed(node)
                last = error
            except BaseException:
                ring.release(node)
                raise
            else:
                ring.answered(node)
                return result
        waited = time.monotonic() - started
        if waited >= wait_seconds:
            last = answer or last
            raise UnavailableError("Elasticsearch at " + ", ".join(connection.urls), waited, said_by(last)).with_note(
                _HINT
            ) from last
        time.sleep(0.5)


@lru_cache(maxsize=64)
def ring_of(connection: Connection) -> NodePool:
    """Return the node pool of this process for `connection`."""
    return NodePool(len(connection.urls))


def _named(error: ApiError) -> Exception:
    """Return the airlsh error of a refusal.

    Missing documents and conflicts stay as they are, because callers have their own errors for them.
    """
    return error if error.status_code in (404, 409) else refusal_of(error)


def answering_client(connection: Connection, *, wait_seconds: float = 15.0) -> Elasticsearch:
    """Return the client of the first node that answers.

    Raises
    ------
    UnavailableError
        No node answered within `wait_seconds`.
    """

    def ask(client: Elasticsearch) -> Elasticsearch:
        try:
            client.options(request_timeout=5).cluster.health(filter_path="status")
        except AccessError as error:
            if not error.action:
                raise
            # A user without the privilege to read the health may have all others. The time-out is restored, because the
            # client may have a short trial time-out.
        return client.options(request_timeout=connection.request_timeout_seconds)

    return on_any_node(connection, ask, wait_seconds=wait_seconds)


def require_all_shards(action: str, index: str, answer: Mapping[str, Any]) -> None:
    """Raise `PartialAnswerError` unless `answer` covers every shard.

    Count, search, refresh and force-merge answer 200 even if a shard is missing.
    """
    shards = answer["_shards"]
    if shards["successful"] != shards["total"] or shards.get("failed"):
        raise PartialAnswerError(action, index, shards["successful"], shards["total"])


def refresh(client: Elasticsearch, index: str) -> None:
    """Make all earlier writes visible to searches, on every assigned shard.

    A copy that is still to be built refreshes itself when it is built, so only primaries must answer.
    """
    answer = client.options(request_timeout=600).indices.refresh(index=index)
    require_primaries(client, "refresh", index, answer.body)


def require_primaries(client: Elasticsearch, action: str, index: str, answer: Mapping[str, Any]) -> None:
    """Raise `PartialAnswerError` if a copy failed, or fewer copies than primaries took part."""
    shards = answer["_shards"]
    settings = client.indices.get_settings(index=index, flat_settings=True)
    primaries = sum(int(each["settings"]["index.number_of_shards"]) for each in settings.values())
    if shards["successful"] < primaries or shards.get("failed"):
        raise PartialAnswerError(action, index, shards["successful"], primaries)


def count(client: Elasticsearch, index: str, query: Mapping[str, Any] | None = None) -> int:
    """Count the documents of `index` that match `query`, over every shard."""
    answer = client.count(index=index, query=dict(query) if query else None)
    require_all_shards("count", index, answer.body)
    return int(answer["count"])


def search(client: Elasticsearch, index: str, **body: Any) -> dict[str, Any]:
    """Search `index`; raise an error unless the answer covers every shard."""
    answer = client.search(index=index, allow_partial_search_results=False, **body)
    require_all_shards("search", index, answer.body)
    return dict(answer)


def copies_missing(client: Elasticsearch, indices: Collection[str], *, seconds: float) -> int:
    """Wait up to `seconds` for every copy of `indices`; return the number of missing copies.

    It uses short requests, because the node that serves one may go away during a long one.
    """
    deadline = time.monotonic() + seconds
    while True:
        left = max(1, math.ceil(min(_HEALTH_SECONDS, deadline - time.monotonic())))
        health = client.options(ignore_status=408).cluster.health(
            index=list(indices), wait_for_status="green", timeout=f"{left}s"
        )
        missing = int(health["unassigned_shards"] + health["initializing_shards"])
        if not missing or time.monotonic() >= deadline:
            return missing


def data_nodes(client: Elasticsearch) -> int:
    """Return the number of nodes that can hold shards."""
    return int(client.cluster.health(filter_path="number_of_data_nodes")["number_of_data_nodes"])
