"""Sends searches to the live build of a name, and explains refusals.

The name is resolved again after a second, and after a failure. A search is repeated if its index was deleted, if a
shard is away, or if the alias moved while an encoder was loaded. A refusal of the server becomes an error that says
what to do. A fixed index can take the place of the name.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from lsh_core.builds.aliases import live_index
from lsh_core.builds.records import nothing_live
from lsh_core.elastic.bulk_answers import RETRYABLE_STATUSES
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.missing_privileges import SECURITY, access_error
from lsh_core.elastic.search_posting import post_search
from lsh_core.elastic.whole_answers import require_all_shards
from lsh_core.errors import (
    AirlshError,
    NotFoundError,
    RequestRefusedError,
    RowNotFoundError,
    ServerError,
    UnavailableError,
)
from lsh_core.retrieval.query import Filter, Query
from lsh_core.search.filters.refusals import filter_refused, plain_reason
from lsh_core.search.queries import search_lines
from lsh_core.search.results import Response
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


T = TypeVar("T")


class Unavailable(Exception):
    """Signals a missing index or an unavailable shard. Never leaves `LiveIndex.run`."""


class AliasMoved(Exception):
    """Signals a new live build while a search was prepared. Never leaves `LiveIndex.run`."""


@dataclass(frozen=True)
class Ask:
    """A query, with its id and filter for messages.

    Attributes
    ----------
    id
        Stored row that the server looks up.
    filter
        The caller's filter.
    """

    query: Query
    id: str | None = None
    filter: Filter | None = None


class LiveIndex:
    """The live build of a name, or one physical index.

    The alias is resolved to its index and model on first use, again after a second, and at once if the index is gone.
    May be shared between threads.

    Parameters
    ----------
    wait_seconds
        Seconds that a request waits for a node that answers.
    """

    def __init__(self, cluster: Cluster, name: str, index: str | None, *, wait_seconds: float = WAIT_SECONDS) -> None:
        self._cluster, self._name, self._index, self._wait_seconds = (
            cluster.waiting(wait_seconds),
            name,
            index,
            wait_seconds,
        )
        # A hung node, or an address without a server, gets less time than a search may take.
        self._brief = replace(self._cluster, request_seconds=max(wait_seconds, _BRIEFEST_SECONDS))
        self._resolved: SearchableBuild | None = None
        self._resolved_at = 0.0
        self._lock = threading.Lock()

    def build(self) -> SearchableBuild:
        """Return the current build.

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

    def run(self, search: Callable[[SearchableBuild], T]) -> T:
        """Return `search` of the live build; repeat it if the build or a shard disappears.

        The whole search is repeated, so that one build answers all its requests.

        Raises
        ------
        UnavailableError
            The index or a shard stayed unavailable.
        """
        wait_seconds, deadline = max(self._wait_seconds, _SHARD_SECONDS), None
        while True:
            build = self.build()
            try:
                return search(build)
            except AliasMoved:
                continue
            except Unavailable as away:
                deadline = deadline or time.monotonic() + wait_seconds
                if time.monotonic() > deadline:
                    raise UnavailableError(f"search of {build.index}", wait_seconds, str(away)) from None
            time.sleep(_AWAY_SECONDS)
            with self._lock:
                self._resolved_at = -RESOLVE_SECONDS

    def send(self, build: SearchableBuild, asks: Sequence[Ask]) -> list[Response]:
        """Send queries in one request, and return the responses. Called inside `run`.

        Raises
        ------
        Unavailable
            The index is missing, or a shard does not answer.
        RowNotFoundError
            A row to look up does not exist.
        FilterError
            The server refuses a filter.
        RequestRefusedError
            The server refuses a search without a filter.
        """
        hybrid = any(ask.query.hybrid for ask in asks)
        lines = search_lines(build.index, [ask.query for ask in asks])

        def search(client: Elasticsearch) -> Any:
            return post_search(client, lines, named_scores=hybrid)

        try:
            answer = self._cluster.run(search, first=self._cluster.nodes.next_home())
        except RequestRefusedError as error:
            filtered = next((ask for ask in asks if ask.filter is not None), asks[0])
            raise _refused(error.status, error.reason, build, filtered) from error
        return [self._read(build, ask, response) for ask, response in zip(asks, answer, strict=True)]

    def _read(self, build: SearchableBuild, ask: Ask, response: Mapping[str, Any]) -> Response:
        if "error" not in response:
            require_all_shards("search", build.index, response)
            return Response.from_json(response)
        gone = response["error"].get("type") == "index_not_found_exception"
        if gone and self._index is not None:
            raise NotFoundError("index", self._index, f"`airlsh builds list {self._name}` shows those there are")
        error = _search_error(response, build, ask)
        if gone or response.get("status") in RETRYABLE_STATUSES:
            raise Unavailable(str(error))
        raise error

    def _resolve(self) -> SearchableBuild:
        known = self._resolved
        if self._index is not None and known is not None:
            return known  # A physical index does not move.

        index = self._index or live_index(self._brief, self._name)
        if index is None:
            raise nothing_live(self._name)
        if known is not None and known.index == index:
            return known
        return read_build(self._cluster, self._name, index)


def _search_error(response: Mapping[str, Any], build: SearchableBuild, ask: Ask) -> Exception:
    """Turn an error of a multi-search response into one that states the remedy."""
    error, status = response["error"], response.get("status")
    reason = "; ".join(
        dict.fromkeys(cause.get("reason", "") for cause in (*error.get("root_cause", []), error) if cause.get("reason"))
    )
    if ask.id is not None and status == 404:
        return RowNotFoundError(build.meta.name, ask.id, build.index)
    if error.get("type") == SECURITY:
        return access_error(403, reason)
    if isinstance(status, int) and status < 500:
        return _refused(status, reason, build, ask)
    return ServerError(f"search of {build.index}: {error.get('type')}: {reason}")


def _refused(status: int, reason: str, build: SearchableBuild, ask: Ask) -> AirlshError:
    """Return the error for a refused search: `FilterError` if the reason concerns its filter."""
    if ask.filter is not None and (of_filter := filter_refused(ask.filter, reason)) is not None:
        return of_filter
    error = RequestRefusedError(f"the search of {build.index}", status, plain_reason(reason))
    return error if ask.filter is None else error.with_note(_FILTER_NOTE)
