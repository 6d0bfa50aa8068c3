"""Sends queries to the live build of a name, and follows it when another build goes live."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lsh_core.builds.aliases import live_index
from lsh_core.builds.records import nothing_live
from lsh_core.elastic.bulk_answers import PASSING_STATUSES
from lsh_core.elastic.cluster import on_any_node, require_all_shards
from lsh_core.elastic.connection import Connection
from lsh_core.elastic.missing_privileges import SECURITY, access_error
from lsh_core.errors import (
    AirlshError,
    NotFoundError,
    RequestRefusedError,
    RowNotFoundError,
    ServerError,
    UnavailableError,
)
from lsh_core.search.answers import Answer, read_answer
from lsh_core.search.filter_refusals import filter_refused, plain_reason
from lsh_core.search.queries import Filter, Query
from lsh_core.search.searchable_build import SearchableBuild, read_build

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

RESOLVE_SECONDS = 1.0
WAIT_SECONDS = 3.0
"""Default time that a search waits for a node that answers."""
JOB_WAIT_SECONDS = 15.0
"""Time that the searches of a job wait for a node that answers."""
_SHARD_SECONDS = 15.0
"""Time that a search waits for a shard that moves to another node, where a node answers."""
_FILTER_NOTE = "The search has a filter: docs/guides/filters.md says what one may hold."
_AWAY_SECONDS = 0.1
_BRIEFEST_SECONDS = 1.0


@dataclass(frozen=True)
class Response:
    """What one build answered.

    Attributes
    ----------
    hits
        For each query the ``hits`` of its response.
    """

    build: SearchableBuild
    queries: Sequence[Query]
    hits: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Unavailable:
    """An index that is gone, or that has a shard which does not answer now."""

    reason: str


@dataclass(frozen=True)
class _Asked:
    """What errors name of a request: the row that is looked up, and the caller's filter."""

    identity: str | None
    query_filter: Filter | None


class LiveIndex:
    """Asks the live build of a name, or one physical index.

    The alias is resolved to its index and model once, again after a second, and at once when that index is gone.
    May be shared between threads.

    Parameters
    ----------
    wait_seconds
        How long a request waits for a node that answers.
    """

    def __init__(
        self, connection: Connection, name: str, index: str | None, *, wait_seconds: float = WAIT_SECONDS
    ) -> None:
        self._connection, self._name, self._index, self._wait_seconds = connection, name, index, wait_seconds
        self._resolved: SearchableBuild | None = None
        self._resolved_at = 0.0
        self._lock = threading.Lock()
        self._turn = itertools.count()

    def build(self) -> SearchableBuild:
        """Return the build that is asked now.

        Raises
        ------
        NotFoundError
            Nothing is live under this name.
        """
        with self._lock:
            if self._resolved is None or time.monotonic() - self._resolved_at > RESOLVE_SECONDS:
                self._resolved = self._resolve()
                self._resolved_at = time.monotonic()
            return self._resolved

    def ask(
        self,
        queries: Callable[[SearchableBuild], Sequence[Query]],
        *,
        identity: str | None = None,
        query_filter: Filter | None = None,
    ) -> list[Answer]:
        """Return the answers to what `find` sends."""
        found = self.find(queries, identity=identity, query_filter=query_filter)
        metric, build = found.build.field.metric, found.build.meta.build
        return [read_answer(hits, query, metric, build) for query, hits in zip(found.queries, found.hits, strict=True)]

    def find(
        self,
        queries: Callable[[SearchableBuild], Sequence[Query]],
        *,
        identity: str | None = None,
        query_filter: Filter | None = None,
    ) -> Response:
        """Send the queries made for the live build; again if that build, or one of its shards, went away meanwhile.

        All in one request, so that one build answers them.

        Parameters
        ----------
        identity
            The row that the queries look up, to be named if it is not there.
        query_filter
            The caller's filter in the queries, to be named if it is what the server refuses.

        Raises
        ------
        FilterError
            The server refuses the filter.
        RequestRefusedError
            The server refuses a search without a filter.
        """
        wait_seconds = max(self._wait_seconds, _SHARD_SECONDS)
        deadline = time.monotonic() + wait_seconds
        asked = _Asked(identity, query_filter)
        while isinstance(found := self._send(build := self.build(), queries(build), asked), Unavailable):
            if time.monotonic() > deadline:
                raise UnavailableError(f"search of {build.index}", wait_seconds, found.reason)
            time.sleep(_AWAY_SECONDS)
            with self._lock:
                self._resolved_at = -RESOLVE_SECONDS
        return found

    def _resolve(self) -> SearchableBuild:
        known = self._resolved
        if self._index is not None and known is not None:
            return known  # A physical index does not move.

        def find(client: Elasticsearch) -> SearchableBuild:
            # A node that hangs, or an address that nobody answers at, is not waited for as long as a search may take.
            brief = client.options(request_timeout=max(self._wait_seconds, _BRIEFEST_SECONDS))
            index = self._index or live_index(brief, self._name)
            if index is None:
                raise nothing_live(self._name)
            if known is not None and known.index == index:
                return known
            return read_build(self._connection, client, self._name, index)

        return on_any_node(self._connection, find, first=self._next_node(), wait_seconds=self._wait_seconds)

    def _next_node(self) -> int:
        """Return the node to ask next: queries go round robin."""
        return next(self._turn) % len(self._connection.urls)

    def _send(self, build: SearchableBuild, queries: Sequence[Query], asked: _Asked) -> Response | Unavailable:
        """Return what is found, or that the index, or one of its shards, is away."""
        hybrid = any(query.hybrid for query in queries)
        searches: list[Mapping[str, Any]] = []
        for query in queries:
            header: dict[str, Any] = {"index": build.index, "allow_partial_search_results": False}
            if query.hybrid:
                header["search_type"] = "dfs_query_then_fetch"
            searches += [header, query.body]

        def ask(client: Elasticsearch) -> Any:
            return client.msearch(searches=searches, include_named_queries_score=hybrid or None)["responses"]

        hits = []
        try:
            answer = on_any_node(self._connection, ask, first=self._next_node(), wait_seconds=self._wait_seconds)
        except RequestRefusedError as error:
            raise _refused(error.status, error.reason, build, asked) from error
        for response in answer:
            if "error" in response:
                gone = response["error"].get("type") == "index_not_found_exception"
                if gone and self._index is not None:
                    raise NotFoundError(
                        "index", self._index, f"`airlsh builds list {self._name}` shows those there are"
                    )
                if gone or response.get("status") in PASSING_STATUSES:
                    return Unavailable(str(_search_error(response, build, asked)))
                raise _search_error(response, build, asked)
            require_all_shards("search", build.index, response)
            hits.append(response["hits"])
        return Response(build, queries, hits)


def _search_error(response: Mapping[str, Any], build: SearchableBuild, asked: _Asked) -> Exception:
    """Turn an error inside a multi-search answer into one that says what to do."""
    error, status = response["error"], response.get("status")
    reason = "; ".join(
        dict.fromkeys(cause.get("reason", "") for cause in (*error.get("root_cause", []), error) if cause.get("reason"))
    )
    if asked.identity is not None and status == 404:
        return RowNotFoundError(build.meta.name, asked.identity, build.index)
    if error.get("type") == SECURITY:
        return access_error(403, reason)
    if isinstance(status, int) and status < 500:
        return _refused(status, reason, build, asked)
    return ServerError(f"search of {build.index}: {error.get('type')}: {reason}")


def _refused(status: int, reason: str, build: SearchableBuild, asked: _Asked) -> AirlshError:
    """Return the error for a search that the server refuses: of its filter, where the reason names a part of it."""
    if asked.query_filter is not None and (of_filter := filter_refused(asked.query_filter, reason)) is not None:
        return of_filter
    error = RequestRefusedError(f"the search of {build.index}", status, plain_reason(reason))
    return error if asked.query_filter is None else error.with_note(_FILTER_NOTE)
