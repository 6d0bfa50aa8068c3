"""Answers search requests on one build.

The steps are: effort, target, queries, one Elasticsearch request, results. At most sixteen search requests are answered
together, all by one build. Two more kinds of Elasticsearch request may come first: a count of the rows that pass a
filter, and a read of a stored row's vector. A result with too few rows is replaced by a scan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from lsh_core.elastic.stored_vectors import vectors_of
from lsh_core.errors import RowNotFoundError, SettingsError
from lsh_core.metrics import metric_named
from lsh_core.models.effort import Effort
from lsh_core.retrieval.query import Filter, Query, Target, by_vector
from lsh_core.search.effort import effort_for_recall, effort_for_recall_filtered, requested_effort
from lsh_core.search.filter_counts import FilterCountCache
from lsh_core.search.fusion import reciprocal_ranks, weighted
from lsh_core.search.hybrid_queries import match_query, pool_size, with_words, words_query
from lsh_core.search.live_index import AliasMoved, Ask, LiveIndex
from lsh_core.search.queries import count_query, row_query
from lsh_core.search.query_encoder import QueryEncoder
from lsh_core.search.query_vectors import check_vectors
from lsh_core.search.request import SearchRequest
from lsh_core.search.request_fit import check_for, match_fields_of
from lsh_core.search.results import SearchResult, read_result
from lsh_core.search.searchable_build import SearchableBuild


class Searcher:
    """Answers search requests. May be shared between threads.

    Parameters
    ----------
    live
        Sends the queries.
    encoder
        Encodes texts and images.
    """

    def __init__(self, live: LiveIndex, encoder: QueryEncoder) -> None:
        self._live, self._encoder = live, encoder
        self._counts = FilterCountCache(self._count)

    def search(self, build: SearchableBuild, requests: Sequence[SearchRequest]) -> list[SearchResult]:
        """Return the result of each request from `build`; an exact scan replaces short results.

        Raises
        ------
        InputError
            The build cannot answer a request.
        AliasMoved, Unavailable
            The search must be repeated on another build.
        """
        for request in requests:
            check_for(build, request)  # Before rows are counted.
        plans = [self._plan(build, request) for request in requests]
        _check_vectors(build, plans)
        found = self._found(build, plans)
        results = [fused(plan.request, rankings) for plan, rankings in zip(plans, found, strict=True)]
        short = [n for n, plan in enumerate(plans) if self._falls_short(build, found[n][0], plan.request)]
        if short:
            scans = self._found(build, [replace(plans[n], effort=None) for n in short])
            for n, rankings in zip(short, scans, strict=True):
                result = fused(plans[n].request, rankings)
                results[n] = replace(result, took_ms=results[n].took_ms + result.took_ms)
        return results

    def _plan(self, build: SearchableBuild, request: SearchRequest) -> _Plan:
        effort = None if request.by_words_alone else self._effort(build, request)
        if request.id is not None:
            return _Plan(request, effort, self._vector_of_row(build, request, effort))
        given = request.vector
        vector = self._encoded(build, request) if given is None else np.asarray(given, np.float32)
        return _Plan(request, effort, vector)

    def _effort(self, build: SearchableBuild, request: SearchRequest) -> Effort | None:
        """Return the effort of the search by vector; None: a scan of all rows that pass the filter."""
        if request.exact:
            return None
        if request.effort:
            return requested_effort(build, request.effort)
        if request.filter is None:
            return effort_for_recall(build, request.recall)
        effort = effort_for_recall_filtered(build, request.recall)
        return None if effort is None else self._under_filter(build, request.filter, effort)

    def _under_filter(self, build: SearchableBuild, query_filter: Filter, effort: Effort) -> Effort | None:
        """Return the effort that finds as many neighbours under the filter; None: a scan."""
        rows, passing = self._counts.passing(build, None), self._counts.passing(build, query_filter)
        field = build.field
        return field.strategy.effort_under_filter(effort, rows=rows, passing=passing, default=field.effort)

    def _vector_of_row(self, build: SearchableBuild, request: SearchRequest, effort: Effort | None) -> _Vector | None:
        """Return the vector of a stored row; None if the server looks it up.

        The server does so if the stored codes of the row lead to as many neighbours as its vector, and neither a filter
        nor the caller changes the effort. A scan needs no codes.
        """
        plain = request.filter is None and not request.effort
        if (plain or effort is None) and build.field.strategy.can_look_up(effort):
            return None
        (response,) = self._live.send(build, [Ask(row_query(build.field, str(request.id)))])
        if not response.hits["hits"]:
            raise RowNotFoundError(build.meta.name, str(request.id), build.index)
        vectors: _Vector = vectors_of(response.hits["hits"], build.field.column, build.field.dims)[0]
        return vectors

    def _encoded(self, build: SearchableBuild, request: SearchRequest) -> _Vector:
        """Return the vector of a text or an image by the encoder of `build`; raise `AliasMoved` if that is no longer
        live.
        """
        vector = encode(self._encoder, build, request)
        if self._live.build().index != build.index:
            raise AliasMoved  # Loading an encoder takes seconds.
        return vector

    def _found(self, build: SearchableBuild, plans: Sequence[_Plan]) -> list[list[SearchResult]]:
        """Return the rankings of each plan from one request: by vector, by words, or both in this order."""
        queries = _queries(build, plans)
        asks = [
            Ask(query, id=plan.looked_up, filter=plan.request.filter)
            for plan, each in zip(plans, queries, strict=True)
            for query in each
        ]
        responses = self._live.send(build, asks)
        read = iter(map(partial(read_result, build=build), responses, (ask.query for ask in asks)))
        return [[next(read) for _ in each] for each in queries]

    def _falls_short(self, build: SearchableBuild, result: SearchResult, request: SearchRequest) -> bool:
        """Return whether the search by vector found too few rows with an effort that airlsh chose."""
        found = len(result.neighbours)
        if request.effort or result.strategy in ("exact", "match") or found >= request.k:
            return False
        return found < self._counts.passing(build, request.filter) - (request.id is not None)

    def _count(self, build: SearchableBuild, query_filter: Filter | None) -> int:
        (response,) = self._live.send(build, [Ask(count_query(query_filter), filter=query_filter)])
        return response.rows


_Vector = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class _Plan:
    """A request with its target and the effort of its search by vector.

    Attributes
    ----------
    effort
        None: the search by vector, if there is one, is a scan.
    vector
        (d,) float32. None: the server looks up the stored row.
    """

    request: SearchRequest
    effort: Effort | None
    vector: _Vector | None

    @property
    def looked_up(self) -> str | None:
        """Stored row that the server looks up."""
        return self.request.id if self.vector is None else None

    def target(self, build: SearchableBuild) -> Target:
        """Return the target that rows are compared with."""
        if self.vector is None:
            return build.field.strategy.stored_vector(build.index, str(self.request.id))
        return by_vector(self.vector)


def encode(encoder: QueryEncoder, build: SearchableBuild, request: SearchRequest) -> _Vector:
    """Return the vector of the text or the image of a request, (d,)."""
    if request.text is not None:
        return encoder.of_text(build, request.text)
    return encoder.of_image(build, request.image or b"")


def _check_vectors(build: SearchableBuild, plans: Sequence[_Plan]) -> None:
    """Refuse vectors of callers and encoders that cannot be compared with the rows of the build."""
    given = {n: plan.vector for n, plan in enumerate(plans) if plan.vector is not None and plan.request.id is None}
    for length in {len(vector) for vector in given.values()}:
        same = {n: vector for n, vector in given.items() if len(vector) == length}
        check_vectors(build, np.stack([*same.values()]), [*same])


def _queries(build: SearchableBuild, plans: Sequence[_Plan]) -> list[list[Query]]:
    """Return the queries of each plan: by vector, by words, or both."""
    tokens = _tokens(build, plans)
    queries = []
    for plan, words in zip(plans, tokens, strict=True):
        nearest = [] if plan.request.by_words_alone else [_vector_query(build, plan, words)]
        queries.append(nearest if plan.request.match is None else _hybrid_queries(build, plan, nearest))
    return queries


def _tokens(build: SearchableBuild, plans: Sequence[_Plan]) -> list[list[str]]:
    """Return the tokens of each plan; plans of equal effort are probed together."""
    tokens: list[list[str]] = [[] for _ in plans]
    for effort in {plan.effort for plan in plans if plan.effort is not None and plan.vector is not None}:
        numbers = [n for n, plan in enumerate(plans) if plan.effort == effort and plan.vector is not None]
        probed = build.model.tokens_for(np.stack([plans[n].vector for n in numbers]), effort)  # type: ignore[misc]
        for n, row in zip(numbers, probed, strict=True):
            tokens[n] = build.field.tokens.words(row)
    return tokens


def _vector_query(build: SearchableBuild, plan: _Plan, tokens: Sequence[str]) -> Query:
    request, strategy = plan.request, build.field.strategy
    if plan.effort is None:
        target = plan.target(build)
        return strategy.exact(target, k=request.k, query_filter=request.among, fields=request.fields)
    if plan.vector is None:
        return strategy.by_id(
            build.index,
            str(request.id),
            k=request.k,
            effort=plan.effort,
            shards=build.shards,
            fields=request.fields,
        )
    return strategy.by_vector(
        plan.vector,
        tokens,
        k=request.k,
        effort=plan.effort,
        shards=build.shards,
        query_filter=request.among,
        fields=request.fields,
    )


def _hybrid_queries(build: SearchableBuild, plan: _Plan, nearest: Sequence[Query]) -> list[Query]:
    """Return the searches by vector, with the scores of the words, and the search by words unless it has no weight."""
    request = plan.request
    if not metric_named(build.field.metric).server_scores:
        reason = f"cannot be ranked with vectors of metric {build.field.metric}, which the server does not know"
        raise SettingsError("match", request.match, reason)
    words = words_query(str(request.match), match_fields_of(build, request))
    pool = pool_size(request.k)
    parts = [with_words(query, words, pool=pool) for query in nearest]
    if request.match_weight != 0:
        target = plan.target(build)
        parts.append(match_query(build.field, target, words, pool=pool, among=request.among, fields=request.fields))
    return parts


def fused(request: SearchRequest, rankings: Sequence[SearchResult]) -> SearchResult:
    """Return the result of a request from its rankings: by vector, by words, or both."""
    if request.match is None:
        return rankings[0]
    near = [each for ranking in rankings if ranking.strategy != "match" for each in ranking.neighbours]
    matching = [each for ranking in rankings if ranking.strategy == "match" for each in ranking.neighbours]
    weight = request.match_weight
    ranked = reciprocal_ranks(near, matching) if weight is None else weighted(near, matching, weight)
    took_ms = max(ranking.took_ms for ranking in rankings)
    return replace(rankings[0], neighbours=tuple(ranked[: request.k]), took_ms=took_ms)
