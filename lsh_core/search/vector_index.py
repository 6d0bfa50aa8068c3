"""The Python API: searches, and live changes."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from lsh_core.elastic.bulk_answers import PASSING_STATUSES
from lsh_core.elastic.cluster import on_any_node, require_all_shards
from lsh_core.elastic.connection import Connection
from lsh_core.errors import FilterError, ModelMismatchError, NotFoundError, ServerError, SettingsError, UnavailableError
from lsh_core.indexing.aliases import live_index
from lsh_core.indexing.live_writes import LiveWriter, Written
from lsh_core.search.answers import Answer, read_answer
from lsh_core.search.filters import check_filter
from lsh_core.search.live_build import ResolvedBuild, read_build
from lsh_core.search.queries import MOST_RESULTS, exact_body, id_body, vector_body

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

RESOLVE_SECONDS = 1.0
_QUERIES_PER_REQUEST = 16
_WAIT_SECONDS = 15.0
_AWAY_SECONDS = 0.1


@dataclass(frozen=True)
class _Away:
    """The index that was asked is gone, or a shard of it does not answer just now."""

    reason: str


class VectorIndex:
    """Search over the live build of a name.

    The alias is resolved to its index and model once, again after a second, and at once when that index
    is gone: a reader moves from the old build to the new one without an error and never mixes them. An
    instance may be shared between threads.

    Parameters
    ----------
    connection
        Where Elasticsearch is.
    name
        The alias.
    index
        One physical index instead of the live one.
    """

    def __init__(self, connection: Connection, name: str, *, index: str | None = None) -> None:
        self._connection, self._name, self._index = connection, name, index
        self._resolved: ResolvedBuild | None = None
        self._resolved_at = 0.0
        self._lock = threading.Lock()
        self._turn = itertools.count()
        self._writer = LiveWriter(connection, name)

    @property
    def build(self) -> ResolvedBuild:
        """The build that is searched now."""
        return self._build()

    def search(
        self,
        vector: Sequence[float] | np.ndarray,
        *,
        k: int = 10,
        probes: int | None = None,
        candidates: int | None = None,
        query_filter: Mapping[str, Any] | None = None,
        fields: Sequence[str] | None = None,
    ) -> Answer:
        """Return the `k` nearest rows to one vector, (d,); see `search_many`."""
        vectors = np.asarray(vector, dtype=np.float32)[np.newaxis]
        options: dict[str, Any] = {"probes": probes, "candidates": candidates, "query_filter": query_filter}
        return next(self.search_many(vectors, k=k, fields=fields, **options))

    def search_many(
        self,
        vectors: np.ndarray,
        *,
        k: int = 10,
        probes: int | None = None,
        candidates: int | None = None,
        query_filter: Mapping[str, Any] | None = None,
        fields: Sequence[str] | None = None,
    ) -> Iterator[Answer]:
        """Yield the `k` nearest rows to each of `vectors`, in order; one Elasticsearch query each.

        Parameters
        ----------
        vectors
            (q, d); converted to float32.
        probes, candidates
            Effort, as the model counts it: lists to visit (``ivf``), or rows to score exactly (``hyperplane``).
            Default: what the model holds to be enough for a recall of 0.95.
        query_filter
            Elasticsearch query that every neighbour must match; see `lsh_core.search.filters`.
        fields
            Fields to return; default: all but the vectors.

        Raises
        ------
        InputError
            A vector, filter or effort that this index does not take.
        NotFoundError
            Nothing is live under this name.
        """
        _check_k(k)
        checked = check_filter(query_filter) if query_filter is not None else None
        vectors = np.atleast_2d(np.asarray(vectors, dtype=np.float32))
        build = self._build()
        if vectors.shape[1] != build.field.dims:
            raise ModelMismatchError(
                f"vectors of {build.field.dims} numbers", f"{vectors.shape[1]}", f"index {build.index}"
            )
        for start in range(0, len(vectors), _QUERIES_PER_REQUEST):
            block = vectors[start : start + _QUERIES_PER_REQUEST]

            def bodies(build: ResolvedBuild, block: np.ndarray = block) -> list[dict[str, Any]]:
                return _vector_bodies(build, block, k, probes, candidates, checked, fields)

            yield from self._ask(bodies)

    def search_id(
        self,
        identity: str,
        *,
        k: int = 10,
        query_filter: Mapping[str, Any] | None = None,
        fields: Sequence[str] | None = None,
    ) -> Answer:
        """Return the `k` nearest rows to the stored row `identity`, itself left out.

        One request without the model: the server looks up the row's vector and its nearest lists.

        Raises
        ------
        NotFoundError
            There is no such row.
        """
        _check_k(k)
        checked = check_filter(query_filter) if query_filter is not None else None

        def bodies(build: ResolvedBuild) -> list[dict[str, Any]]:
            _check_fields(build, fields)
            return [id_body(build.field, build.index, identity, k=k, query_filter=checked, fields=fields)]

        return next(self._ask(bodies, identity=identity))

    def exact(self, vectors: np.ndarray, *, k: int = 10) -> Iterator[Answer]:
        """Yield the exact answers, by scoring every row: the truth that recall is measured against."""
        _check_k(k)
        for vector in np.atleast_2d(np.asarray(vectors, dtype=np.float32)):

            def bodies(build: ResolvedBuild, vector: np.ndarray = vector) -> list[dict[str, Any]]:
                return [exact_body(build.field, vector.tolist(), k=k)]

            yield from self._ask(bodies)

    def upsert(self, rows: pa.Table | Sequence[Mapping[str, Any]], *, refresh: bool = False) -> Written:
        """Write whole documents into the live build and, through the journal, into every later one.

        Parameters
        ----------
        rows
            Ids, vectors (d) and other columns under the names that the source of the build had.
        refresh
            Whether searches must find the rows when this returns; else they do about a second later.

        Raises
        ------
        InputError
            A row cannot be indexed, and none was written; or the build's mapping refuses one.
        UnavailableError
            No live build took the rows in time; writing them again does no harm.
        """
        self._check_live()
        return self._writer.upsert(rows, refreshed=refresh)

    def delete(self, ids: Sequence[str], *, refresh: bool = False) -> Written:
        """Delete documents from the live build and, through the journal, from every later one.

        Raises as `upsert`; an id that is not there is no error.
        """
        self._check_live()
        return self._writer.delete(ids, refreshed=refresh)

    def _check_live(self) -> None:
        if self._index is not None:
            raise SettingsError("index", self._index, "changes go to the live build of a name, not to one index")

    def _build(self) -> ResolvedBuild:
        with self._lock:
            if self._resolved is None or time.monotonic() - self._resolved_at > RESOLVE_SECONDS:
                self._resolved = self._resolve()
                self._resolved_at = time.monotonic()
            return self._resolved

    def _resolve(self) -> ResolvedBuild:
        known = self._resolved
        if self._index is not None and known is not None:
            return known  # A physical index does not move.

        def find(client: Elasticsearch) -> ResolvedBuild:
            index = self._index or live_index(client, self._name)
            if index is None:
                raise NotFoundError("live index", self._name, f"build one: airlsh index {self._name} --source ...")
            if known is not None and known.index == index:
                return known
            return read_build(self._connection, client, self._name, index)

        return on_any_node(self._connection, find, first=self._next_node(), wait_seconds=_WAIT_SECONDS)

    def _next_node(self) -> int:
        """Return the node to ask next: queries go round robin."""
        return next(self._turn) % len(self._connection.urls)

    def _ask(
        self, bodies: Callable[[ResolvedBuild], list[dict[str, Any]]], *, identity: str | None = None
    ) -> Iterator[Answer]:
        """Send the bodies made for the live build; again if that build, or one of its shards, went away meanwhile."""
        deadline = time.monotonic() + _WAIT_SECONDS
        while isinstance(answers := self._send(build := self._build(), bodies(build), identity), _Away):
            if time.monotonic() > deadline:
                raise UnavailableError(f"search of {build.index}", _WAIT_SECONDS, answers.reason)
            time.sleep(_AWAY_SECONDS)
            with self._lock:
                self._resolved_at = -RESOLVE_SECONDS
        yield from answers

    def _send(self, build: ResolvedBuild, bodies: list[dict[str, Any]], identity: str | None) -> list[Answer] | _Away:
        """Return the answers, or that the index, or one of its shards, is away."""
        searches: list[dict[str, Any]] = []
        for body in bodies:
            searches += [{"index": build.index, "allow_partial_search_results": False}, body]

        def ask(client: Elasticsearch) -> Any:
            return client.msearch(searches=searches)["responses"]

        answers = []
        responses = on_any_node(self._connection, ask, first=self._next_node(), wait_seconds=_WAIT_SECONDS)
        for response in responses:
            if "error" in response:
                gone = response["error"].get("type") == "index_not_found_exception"
                if gone or response.get("status") in PASSING_STATUSES:
                    return _Away(str(_search_error(response, build, identity)))
                raise _search_error(response, build, identity)
            require_all_shards("search", build.index, response)
            answers.append(read_answer(response["hits"]["hits"], build.field.metric, build.meta.build))
        return answers


def _vector_bodies(
    build: ResolvedBuild,
    vectors: np.ndarray,
    k: int,
    probes: int | None,
    candidates: int | None,
    query_filter: Mapping[str, Any] | None,
    fields: Sequence[str] | None,
) -> list[dict[str, Any]]:
    field = build.field
    _check_fields(build, fields)
    effort = _effort(build, probes, candidates)
    tokens = build.model.probe(vectors, effort)
    return [
        vector_body(
            field,
            vector.tolist(),
            field.tokens.words(row),
            k=k,
            effort=effort,
            shards=build.shards,
            query_filter=query_filter,
            fields=fields,
        )
        for vector, row in zip(vectors, tokens, strict=True)
    ]


def _effort(build: ResolvedBuild, probes: int | None, candidates: int | None) -> int:
    """Return the effort asked for, or the model's own; refuse the unit of another kind of model."""
    wanted = build.model.effort_name
    given = {"probes": probes, "candidates": candidates}
    for unit, value in given.items():
        if unit != wanted and value is not None:
            raise SettingsError(unit, value, f"index {build.index} has an {build.field.kind} model: use {wanted}")
    effort = given[wanted]
    if effort is None:
        return build.field.effort
    most = MOST_RESULTS if wanted == "candidates" else build.model.token_count
    if effort < 1 or (wanted == "candidates" and effort > most):
        raise SettingsError(wanted, effort, f"must be from 1 to {most}")
    return effort


def _check_fields(build: ResolvedBuild, fields: Sequence[str] | None) -> None:
    """Refuse fields that no document can have; those inside an object, and patterns, are found by their first part."""
    for name in fields or ():
        if not any(fnmatchcase(column, name.partition(".")[0]) for column in build.columns):
            reason = f"is no field of {build.index}; there are {', '.join(build.columns)}"
            raise SettingsError("fields", name, reason)


def _check_k(k: int) -> None:
    if not 1 <= k <= MOST_RESULTS:
        raise SettingsError("k", k, f"must be from 1 to {MOST_RESULTS}")


def _search_error(response: Mapping[str, Any], build: ResolvedBuild, identity: str | None) -> Exception:
    """Turn an error inside a multi-search answer into one that says what to do."""
    error = response["error"]
    reason = "; ".join(
        dict.fromkeys(cause.get("reason", "") for cause in (*error.get("root_cause", []), error) if cause.get("reason"))
    )
    if identity is not None and response.get("status") == 404:
        return NotFoundError("document", identity, f"not in index {build.index} ({reason})")
    if response.get("status") == 400:
        return FilterError("", f"was refused by Elasticsearch: {reason}")
    return ServerError(f"search of {build.index}: {error.get('type')}: {reason}")
