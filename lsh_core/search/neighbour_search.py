"""Neighbours of vectors and of stored rows: what is sent to the live build, and what is done if too few are found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from lsh_core.errors import RowNotFoundError
from lsh_core.search.answers import Answer
from lsh_core.search.effort import (
    can_look_up,
    effort_asked_for,
    effort_for_recall,
    effort_for_recall_filtered,
    effort_under_filter,
)
from lsh_core.search.filter_counts import FilterCountCache
from lsh_core.search.live_index import LiveIndex
from lsh_core.search.queries import (
    Filter,
    Query,
    Target,
    by_id,
    by_vector,
    count_query,
    exact_query,
    id_query,
    row_query,
    token_query,
)
from lsh_core.search.query_vectors import check_vectors
from lsh_core.search.request import Request, check_for
from lsh_core.search.searchable_build import SearchableBuild


@dataclass(frozen=True)
class Plan:
    """The queries of one request, for whatever build is live when they are sent.

    Attributes
    ----------
    targets
        What each of the queries compares rows with.
    identity
        The stored row that the server looks up.
    """

    request: Request
    queries: Callable[[SearchableBuild], list[Query]]
    targets: Callable[[SearchableBuild], list[Target]]
    identity: str | None = None

    def scans(self, build: SearchableBuild) -> list[Query]:
        """Return the queries that scan all rows that pass the filter instead."""
        return [_scan(build, target, self.request) for target in self.targets(build)]


class NeighbourSearch:
    """Plans searches by vector, and completes their answers. May be shared between threads."""

    def __init__(self, asker: LiveIndex) -> None:
        self._asker = asker
        self._rows = FilterCountCache(self._count)

    def answers(self, plan: Plan) -> list[Answer]:
        """Return the answers of a plan; those that found too few rows by all rows that pass the filter."""
        named: Any = {"identity": plan.identity, "query_filter": plan.request.query_filter}
        answers = self._asker.ask(plan.queries, **named)
        short = [number for number, answer in enumerate(answers) if self.falls_short(answer, plan.request)]
        if short:
            again = self._asker.ask(lambda build: [plan.scans(build)[each] for each in short], **named)
            for number, answer in zip(short, again, strict=True):
                answers[number] = answer
        return answers

    def falls_short(self, answer: Answer, request: Request) -> bool:
        """Return whether fewer rows were found than are wanted, and there, by an effort that was airlsh's choice."""
        found = len(answer.neighbours)
        if request.effort or answer.path == "exact" or found >= request.k:
            return False
        return found < self._rows.passing(request.query_filter) - (request.but is not None)

    def of_vectors(self, vectors: np.ndarray, request: Request) -> Plan:
        """Plan the search for the rows nearest to each of (q, d) vectors, float32."""
        build = self._asker.build()
        check_for(build, request)  # Before the rows that pass the filter are counted.
        check_vectors(build, vectors)

        def queries(build: SearchableBuild) -> list[Query]:
            check_for(build, request)
            effort = self._effort(build, request)
            if effort is None:
                return [_scan(build, by_vector(vector), request) for vector in vectors.tolist()]
            tokens = build.model.probe(vectors, effort)
            return [
                token_query(
                    build.field,
                    vector,
                    build.field.tokens.words(row),
                    k=request.k,
                    effort=effort,
                    shards=build.shards,
                    query_filter=request.among,
                    fields=request.fields,
                )
                for vector, row in zip(vectors.tolist(), tokens, strict=True)
            ]

        return Plan(request, queries, lambda _: [by_vector(vector) for vector in vectors.tolist()])

    def of_row(self, identity: str, request: Request) -> Plan:
        """Plan the search for the rows nearest to a stored one, by what is stored with it if that is enough.

        Raises
        ------
        NotFoundError
            The row's vector has to be read, and there is no such row.
        """
        build = self._asker.build()
        check_for(build, request)
        enough = self._effort(build, request)
        by_vector = request.query_filter is not None or request.effort
        if enough is not None and (by_vector or not can_look_up(build.field, enough)):
            return self.of_vectors(self._vector_of(identity), request)

        def target(build: SearchableBuild) -> Target:
            return by_id(build.field, build.index, identity)

        def queries(build: SearchableBuild) -> list[Query]:
            check_for(build, request)
            enough = None if request.query_filter is not None else self._effort(build, request)
            if enough is None or not can_look_up(build.field, enough):  # The build may be another one by now.
                return [_scan(build, target(build), request)]
            return [
                id_query(
                    build.field,
                    build.index,
                    identity,
                    k=request.k,
                    effort=enough,
                    shards=build.shards,
                    fields=request.fields,
                )
            ]

        return Plan(request, queries, lambda build: [target(build)], identity)

    def _effort(self, build: SearchableBuild, request: Request) -> int | None:
        """Return what is asked for, or enough; None: a scan of all rows that pass the filter."""
        asked = effort_asked_for(build, request.effort)
        if asked is not None:
            return asked
        if request.query_filter is None:
            return effort_for_recall(build, request.recall)
        effort = effort_for_recall_filtered(build, request.recall)
        rows, passing = self._rows.passing(None), self._rows.passing(request.query_filter)
        return effort_under_filter(build, effort, rows=rows, passing=passing)

    def _vector_of(self, identity: str) -> np.ndarray:
        """Return the vector of a stored row, (1, d) float32."""
        answer = self._asker.ask(lambda build: [row_query(build.field, identity)])[0]
        if not answer.neighbours:
            build = self._asker.build()
            raise RowNotFoundError(build.meta.name, identity, build.index)
        (vector,) = answer.neighbours[0].fields.values()
        return np.array([vector], dtype=np.float32)

    def _count(self, query_filter: Filter | None) -> int:
        counted = self._asker.ask(lambda _: [count_query(query_filter)], query_filter=query_filter)
        return counted[0].scored or 0


def _scan(build: SearchableBuild, target: Target, request: Request) -> Query:
    return exact_query(build.field, target, k=request.k, query_filter=request.among, fields=request.fields)
