"""Cluster: the nodes behind a connection. Chooses the node of each request, and moves on from nodes that fail.

A function or class that takes a `Cluster` survives the death of a node. A client of one node is seen only inside an
action.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, TypeVar

from elasticsearch import ApiError, Elasticsearch, TransportError

from lsh_core.elastic.bulk_answers import RETRYABLE_STATUSES
from lsh_core.elastic.connection import Connection
from lsh_core.elastic.liveness import MAX_SECONDS, SilentNodeError, call_with_liveness_check
from lsh_core.elastic.node_pool import NodePool
from lsh_core.elastic.refusals import refusal_of, said_by
from lsh_core.elastic.whole_answers import require_all_shards, require_primaries
from lsh_core.errors import AccessError, UnavailableError

T = TypeVar("T")

WAIT_SECONDS = 15.0
"""Seconds that a request waits for a node that answers."""
_REFRESH_SECONDS = 600.0
_BRIEF_SECONDS = 5.0
_TRIAL_SECONDS = 10.0
"""Time-out of `Cluster.call_node` for a node that hung.

Such a node answers pings right after waking, but real requests only once it has rejoined the cluster.
"""
_PAUSE_SECONDS = 0.5
_HINT = (
    "Is it running? `airlsh status` shows the local stack, `airlsh up` starts it; --es or AIRLSH_ES_URL choose another."
)


@dataclass(frozen=True)
class Cluster:
    """Nodes behind a connection; all clusters of one connection share the memory of which nodes fail.

    It can be pickled, and is a key for caches: clusters of one connection are equal.

    Attributes
    ----------
    wait_seconds
        Seconds that a request waits for a node that answers.
    request_seconds
        Time-out of a request, in seconds; default: the time-out of the connection.
    watch
        Whether to ping a slow node while its answer is awaited (`call_with_liveness_check`), if there is another one. A
        hung node is abandoned after seconds; a node that waits for another node is not. Costs a thread per request, so
        searches and single live changes go without.
    """

    connection: Connection
    wait_seconds: float = field(default=WAIT_SECONDS, compare=False)
    request_seconds: float | None = field(default=None, compare=False)
    watch: bool = field(default=True, compare=False)

    @property
    def urls(self) -> tuple[str, ...]:
        """Address of each node."""
        return self.connection.urls

    @property
    def nodes(self) -> NodePool:
        """Health of the nodes, as this process knows it."""
        return _pool_of(self.connection)

    def waiting(self, seconds: float) -> Cluster:
        """Return the cluster for requests that wait `seconds` for a node that answers."""
        return replace(self, wait_seconds=seconds)

    def run(
        self,
        action: Callable[[Elasticsearch], T],
        *,
        first: int = 0,
        longest_seconds: float | None = None,
    ) -> T:
        """Run `action` with the client of node `first`, or of the next node that answers.

        `action` may run more than once, and an abandoned run may still be executed later. So `action` is one request,
        and a second execution must do no harm.

        A node that refuses the request is not skipped: its answer is raised. A node that is missing or overloaded is
        skipped. It is used last for a while by all calls of this process, and then tried with a short time-out. If no
        node answers, every call tries all nodes.

        Parameters
        ----------
        first
            Node to use first. The default is the same node for all calls, so that a process which changes the state of
            the cluster and reads it again does not meet a node that lags behind.
        longest_seconds
            Time-out of a long request, which is always watched; default: the time-out of any request.

        Raises
        ------
        UnavailableError
            No node answered within `wait_seconds`.
        """
        nodes, started = self.nodes, time.monotonic()
        watched = longest_seconds is not None or (self.watch and len(nodes) > 1)
        while True:
            last: Exception | None = None
            answer: ApiError | None = None  # An answer says more than the silence of a neighbour.
            for node, brief in nodes.turns(first):
                client = self._client(node, brief=brief)
                try:
                    if watched and not brief:
                        result = call_with_liveness_check(client, action, longest_seconds=longest_seconds)
                    else:
                        result = action(client)
                except ApiError as error:
                    nodes.answered(node)
                    if error.status_code not in RETRYABLE_STATUSES:
                        raise _named(error) from error
                    answer = error
                except (TransportError, SilentNodeError) as error:
                    nodes.failed(node)
                    last = error
                except BaseException:
                    nodes.release(node)
                    raise
                else:
                    nodes.answered(node)
                    return result
            self._require_time(time.monotonic() - started, answer or last)
            time.sleep(_PAUSE_SECONDS)

    def call_node(self, node: int, action: Callable[[Elasticsearch], T]) -> T:
        """Run `action` once on node number `node`, for as long as the node answers pings.

        The caller reports the outcome to `nodes`, except that a hung node is noted here.

        Raises
        ------
        SilentNodeError
            The node answers neither the request nor a ping.
        """
        longest = _TRIAL_SECONDS if self.nodes.hung(node) else MAX_SECONDS
        started = time.monotonic()
        try:
            return call_with_liveness_check(self.connection.client(node), action, longest_seconds=longest)
        except SilentNodeError:
            self.nodes.failed(node, after=time.monotonic() - started, hung=True)
            raise

    def require_answer(self) -> None:
        """Raise `UnavailableError` unless a node answers."""
        replace(self, request_seconds=_BRIEF_SECONDS, watch=False).run(_ask)

    def search(self, index: str, **body: Any) -> dict[str, Any]:
        """Search `index`; raise an error unless the answer covers every shard."""
        answer = self.run(lambda client: client.search(index=index, allow_partial_search_results=False, **body))
        require_all_shards("search", index, answer.body)
        return dict(answer)

    def count(self, index: str, query: Mapping[str, Any] | None = None) -> int:
        """Count the documents of `index` that match `query`, over every shard."""
        answer = self.run(lambda client: client.count(index=index, query=dict(query) if query else None))
        require_all_shards("count", index, answer.body)
        return int(answer["count"])

    def refresh(self, index: str) -> None:
        """Make all earlier writes visible to searches, on every assigned shard.

        A copy that is still to be built refreshes itself when it is built, so only primaries must answer.
        """
        answer = self.run(lambda client: client.indices.refresh(index=index), longest_seconds=_REFRESH_SECONDS)
        self.require_primaries("refresh", index, answer.body)

    def require_primaries(self, action: str, index: str, answer: Mapping[str, Any]) -> None:
        """Raise `PartialAnswerError` if a copy failed, or fewer copies than primaries took part."""
        settings = self.run(lambda client: client.indices.get_settings(index=index, flat_settings=True))
        require_primaries(action, index, answer, settings.body)

    def _client(self, node: int, *, brief: bool) -> Elasticsearch:
        client = self.connection.client(node)
        if brief:
            return client.options(request_timeout=min(_BRIEF_SECONDS, self.request_seconds or _BRIEF_SECONDS))
        return client if self.request_seconds is None else client.options(request_timeout=self.request_seconds)

    def _require_time(self, waited: float, last: Exception | None) -> None:
        if waited >= self.wait_seconds:
            what = "Elasticsearch at " + ", ".join(self.urls)
            raise UnavailableError(what, waited, said_by(last)).with_note(_HINT) from last


@lru_cache(maxsize=64)
def _pool_of(connection: Connection) -> NodePool:
    return NodePool(len(connection.urls))


def _ask(client: Elasticsearch) -> None:
    try:
        client.cluster.health(filter_path="status")
    except AccessError as error:
        if not error.action:  # A user without the privilege to read the health may have all others.
            raise


def _named(error: ApiError) -> Exception:
    """Return the airlsh error of a refusal.

    Missing documents and conflicts stay as they are, because callers have their own errors for them.
    """
    return error if error.status_code in (404, 409) else refusal_of(error)
