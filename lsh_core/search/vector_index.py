"""The Python API: searches, and live changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from lsh_core.elastic.connection import Connection
from lsh_core.errors import ModelMismatchError, NotFoundError, SettingsError
from lsh_core.indexing.live_writes import LiveWriter, Written
from lsh_core.search.answers import Answer
from lsh_core.search.asking import Asker
from lsh_core.search.effort import can_look_up, effort_asked_for, effort_under_filter, own_effort
from lsh_core.search.live_build import ResolvedBuild
from lsh_core.search.queries import (
    Filter,
    Query,
    Target,
    count_query,
    exact_query,
    given,
    id_query,
    row_query,
    stored,
    token_query,
)
from lsh_core.search.request import Request, check_fields, check_k, checked_request
from lsh_core.search.row_counts import RowCounts

_QUERIES_PER_REQUEST = 16


class VectorIndex:
    """Search over the live build of a name.

    A reader moves from the old build to the new one without an error and never mixes them. An instance may be shared
    between threads.

    Unless the caller sets the effort, an answer has `k` rows wherever so many pass the filter: if too few were found
    by their tokens, all that pass are scanned.

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
        self._index = index
        self._asker = Asker(connection, name, index)
        self._rows = RowCounts(self._count)
        self._writer = LiveWriter(connection, name)

    @property
    def build(self) -> ResolvedBuild:
        """The build that is searched now."""
        return self._asker.build()

    def search(
        self,
        vector: Sequence[float] | np.ndarray,
        *,
        k: int = 10,
        recall: float | None = None,
        query_filter: Mapping[str, Any] | None = None,
        fields: Sequence[str] | None = None,
        **effort: int | None,
    ) -> Answer:
        """Return the `k` nearest rows to one vector, (d,); see `search_many`."""
        vectors = np.asarray(vector, dtype=np.float32)[np.newaxis]
        return next(self.search_many(vectors, k=k, recall=recall, query_filter=query_filter, fields=fields, **effort))

    def search_many(
        self,
        vectors: np.ndarray,
        *,
        k: int = 10,
        recall: float | None = None,
        query_filter: Mapping[str, Any] | None = None,
        fields: Sequence[str] | None = None,
        **effort: int | None,
    ) -> Iterator[Answer]:
        """Yield the `k` nearest rows to each of `vectors`, in order; one Elasticsearch query each.

        Parameters
        ----------
        vectors
            (q, d); converted to float32.
        recall
            The recall to reach instead of the target, as it was measured for ten neighbours: the smallest effort that
            was enough is done, or a scan of all rows where none was.
        query_filter
            Elasticsearch query that every neighbour must match; see `lsh_core.search.filters`.
        fields
            Fields to return; default: all but the vectors.
        effort
            One number, named as the model counts it: `probes`, lists to visit (``ivf``); `candidates`, rows to score
            exactly (``hyperplane``, ``subspace``); or `num_candidates`, rows that the search of each shard's graph
            keeps (``hnsw``). What is given is done, with a filter as without. Default: what was measured to be enough
            for the target of the build, more under a filter, or a scan of all rows that pass it if they are few.

        Raises
        ------
        InputError
            A vector, filter or effort that this index does not take.
        NotFoundError
            Nothing is live under this name.
        """
        wanted = checked_request(k, fields, query_filter, recall, effort)
        vectors = np.atleast_2d(np.asarray(vectors, dtype=np.float32))
        build = self.build
        if vectors.shape[1] != build.field.dims:
            raise ModelMismatchError(
                f"vectors of {build.field.dims} numbers", f"{vectors.shape[1]}", f"index {build.index}"
            )
        for start in range(0, len(vectors), _QUERIES_PER_REQUEST):
            block = vectors[start : start + _QUERIES_PER_REQUEST]
            yield from self._near(block, wanted)

    def search_id(
        self,
        identity: str,
        *,
        k: int = 10,
        recall: float | None = None,
        query_filter: Mapping[str, Any] | None = None,
        fields: Sequence[str] | None = None,
        **effort: int | None,
    ) -> Answer:
        """Return the `k` nearest rows to the stored row `identity`, itself left out; see `search_many`.

        One request without the model where what is stored with the row leads to enough of its neighbours (see
        `lsh_core.search.effort.can_look_up`), or where few rows pass the filter; else the row's vector is read, and
        searched for.

        Raises
        ------
        NotFoundError
            There is no such row.
        """
        wanted = checked_request(k, fields, query_filter, recall, effort, but=identity)
        enough = self._effort(self.build, wanted)
        by_vector = wanted.query_filter is not None or wanted.effort
        if enough is not None and (by_vector or not can_look_up(self.build.field, enough)):
            return self._near(self._vector_of(identity), wanted)[0]

        def target(build: ResolvedBuild, _: int) -> Target:
            return stored(build.field, build.index, identity)

        def looked_up(build: ResolvedBuild) -> list[Query]:
            check_fields(build, fields)
            enough = None if wanted.query_filter is not None else self._effort(build, wanted)
            if enough is None:
                return [self._exact(build, target(build, 0), wanted)]
            return [
                id_query(build.field, build.index, identity, k=k, effort=enough, shards=build.shards, fields=fields)
            ]

        return self._completed(self._asker.ask(looked_up, identity=identity), wanted, target)[0]

    def exact(self, vectors: np.ndarray, *, k: int = 10) -> Iterator[Answer]:
        """Yield the exact answers, by scoring every row: the truth that recall is measured against."""
        check_k(k)
        for vector in np.atleast_2d(np.asarray(vectors, dtype=np.float32)):
            target = given(vector.tolist())

            def queries(build: ResolvedBuild, target: Target = target) -> list[Query]:
                return [exact_query(build.field, target, k=k)]

            yield from self._asker.ask(queries)

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

    def _near(self, vectors: np.ndarray, wanted: Request) -> list[Answer]:
        """Return the answers for (q, d) vectors, all sent in one request."""

        def queries(build: ResolvedBuild) -> list[Query]:
            check_fields(build, wanted.fields)
            effort = self._effort(build, wanted)
            if effort is None:
                return [self._exact(build, given(vector), wanted) for vector in vectors.tolist()]
            tokens = build.model.probe(vectors, effort)
            return [
                token_query(
                    build.field,
                    vector,
                    build.field.tokens.words(row),
                    k=wanted.k,
                    effort=effort,
                    shards=build.shards,
                    query_filter=wanted.among,
                    fields=wanted.fields,
                )
                for vector, row in zip(vectors.tolist(), tokens, strict=True)
            ]

        answers = self._asker.ask(queries)
        if wanted.effort:
            return answers
        return self._completed(answers, wanted, lambda _, number: given(vectors[number].tolist()))

    def _effort(self, build: ResolvedBuild, wanted: Request) -> int | None:
        """Return what is asked for, or enough; None: a scan of all rows that pass the filter."""
        asked = effort_asked_for(build, wanted.effort)
        if asked is not None:
            return asked
        effort = own_effort(build, wanted.recall)
        if effort is None or wanted.query_filter is None:
            return effort
        rows, passing = self._rows.passing(None), self._rows.passing(wanted.query_filter)
        return effort_under_filter(build, effort, rows=rows, passing=passing)

    def _exact(self, build: ResolvedBuild, target: Target, wanted: Request) -> Query:
        return exact_query(build.field, target, k=wanted.k, query_filter=wanted.among, fields=wanted.fields)

    def _completed(
        self, answers: list[Answer], wanted: Request, target: Callable[[ResolvedBuild, int], Target]
    ) -> list[Answer]:
        """Scan all rows that pass the filter for those queries that found fewer than are wanted, and there."""
        short = [
            number
            for number, answer in enumerate(answers)
            if answer.path != "exact" and len(answer.neighbours) < wanted.k
        ]
        if short:
            there = self._rows.passing(wanted.query_filter) - (wanted.but is not None)
            short = [number for number in short if len(answers[number].neighbours) < there]
        if short:
            again = self._asker.ask(lambda build: [self._exact(build, target(build, each), wanted) for each in short])
            for number, answer in zip(short, again, strict=True):
                answers[number] = answer
        return answers

    def _vector_of(self, identity: str) -> np.ndarray:
        """Return the vector of a stored row, (1, d) float32."""
        answer = self._asker.ask(lambda build: [row_query(build.field, identity)])[0]
        if not answer.neighbours:
            raise NotFoundError("document", identity, f"not in build {answer.build}")
        (vector,) = answer.neighbours[0].fields.values()
        return np.array([vector], dtype=np.float32)

    def _count(self, query_filter: Filter | None) -> int:
        return self._asker.ask(lambda _: [count_query(query_filter)])[0].scored or 0
