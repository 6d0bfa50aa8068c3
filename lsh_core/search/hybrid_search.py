"""Searches by a vector and a text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import get_args

from lsh_core.choices import choice_of
from lsh_core.errors import ArgumentError, SettingsError
from lsh_core.search.answers import HybridAnswer
from lsh_core.search.filter_fields import type_of
from lsh_core.search.filter_values import is_unicode
from lsh_core.search.fusion import reciprocal_ranks, weighted
from lsh_core.search.hybrid import match, pool_size, read_ranking, text_query, with_text
from lsh_core.search.live_index import LiveIndex
from lsh_core.search.neighbour_search import NeighbourSearch, Plan
from lsh_core.search.queries import Query
from lsh_core.search.request import check_for, check_names
from lsh_core.search.searchable_build import SearchableBuild
from lsh_core.settings import Fusion

HALF = 0.5
_LONGEST_TEXT = 10_000


@dataclass(frozen=True)
class TextRequest:
    """The text of a hybrid search, checked.

    Attributes
    ----------
    fields
        Full-text fields to look for it; empty: all that the build has.
    weight
        Of the text, from 0 to 1; None under reciprocal rank fusion, which has none.
    """

    text: str
    fields: tuple[str, ...]
    weight: float | None


def checked_text(text: object, fields: Sequence[str] | None, weight: object, fusion: str) -> TextRequest:
    """Return the request for what a caller gave; raise `SettingsError` for what cannot be."""
    if not isinstance(text, str):
        raise ArgumentError("text", text, "must be a text: the words that rows should have")
    check_names("text_fields", fields)
    if not is_unicode(text):
        raise SettingsError("text", text, "is not Unicode text, as it holds half of a surrogate pair")
    if not text.strip():
        raise SettingsError("text", text, "is empty")
    if len(text) > _LONGEST_TEXT:
        raise SettingsError(
            "text", f"{text[:20]}…", f"has {len(text)} characters; {_LONGEST_TEXT} at most are searched"
        )
    if fusion not in get_args(Fusion):
        raise SettingsError("fusion", fusion, f"must be one of {', '.join(get_args(Fusion))}")
    return TextRequest(text, tuple(fields or ()), _checked_weight(weight, fusion))


def _checked_weight(weight: object, fusion: str) -> float | None:
    """Return the weight of the text; None under reciprocal rank fusion, which has none."""
    if weight is None:
        return HALF if fusion == "weighted" else None
    if isinstance(weight, bool) or not isinstance(weight, Real):
        raise ArgumentError("text_weight", weight, "must be a number from 0 to 1")
    if fusion == "rrf":
        raise SettingsError("text_weight", weight, "has no place in reciprocal rank fusion")
    try:
        number = float(weight)
    except OverflowError:
        number = float("inf")
    if not 0 <= number <= 1:
        raise SettingsError("text_weight", weight, "must be from 0 to 1")
    return number


class HybridSearch:
    """Joins a text to searches by vector. May be shared between threads."""

    def __init__(self, asker: LiveIndex, neighbours: NeighbourSearch) -> None:
        self._asker, self._neighbours = asker, neighbours

    def answer(self, plan: Plan, text: TextRequest) -> HybridAnswer:
        """Return the answer to a plan of one query: one ``_msearch``, in which a part without weight is left out.

        If the vector's part falls short it is done again as a scan, with the text's, so that one build answers both.
        """
        rankings = self._rankings(plan, plan.queries, text)
        if rankings[0].path != "text" and self._neighbours.falls_short(rankings[0], plan.request):
            rankings = self._rankings(plan, plan.scans, text)
        near, matching = (
            [each for ranking in rankings if (ranking.path == "text") is by_text for each in ranking.neighbours]
            for by_text in (False, True)
        )
        fused = reciprocal_ranks(near, matching) if text.weight is None else weighted(near, matching, text.weight)
        return replace(rankings[0], neighbours=tuple(fused[: plan.request.k]))

    def _rankings(
        self, plan: Plan, by_vector: Callable[[SearchableBuild], list[Query]], text: TextRequest
    ) -> list[HybridAnswer]:
        """Return the rankings by vector and by text that have any weight, from one request."""
        request, pool = plan.request, pool_size(plan.request.k)

        def queries(build: SearchableBuild) -> list[Query]:
            check_for(build, request)
            wanted = match(text.text, _fields(build, text))
            parts = []
            if text.weight != 1:
                parts += [with_text(query, wanted, pool=pool) for query in by_vector(build)]
            if text.weight != 0:
                (target,) = plan.targets(build)
                parts.append(
                    text_query(build.field, target, wanted, pool=pool, among=request.among, fields=request.fields)
                )
            return parts

        found = self._asker.find(queries, identity=plan.identity, query_filter=request.query_filter)
        metric, build = found.build.field.metric, found.build.meta.build
        return [read_ranking(hits, query, metric, build) for query, hits in zip(found.queries, found.hits, strict=True)]


def _fields(build: SearchableBuild, text: TextRequest) -> tuple[str, ...]:
    """Return the full-text fields to look for the text: those asked for, or all."""
    asked = text.fields
    if not build.text_fields:
        reason = f"index {build.index} has no full text: build it with --text-field COLUMN"
        if asked:
            raise SettingsError("text_field", ", ".join(asked), reason)
        raise SettingsError("text", text.text, reason)
    for field in asked:
        if field not in build.text_fields:
            known = f"of type {type_of(build.mapping[field])}" if field in build.mapping else "no field"
            reason = f"is not full text in {build.index}, but {known}; {choice_of(field, build.text_fields)}"
            raise SettingsError("text_field", field, reason)
    return asked or build.text_fields
