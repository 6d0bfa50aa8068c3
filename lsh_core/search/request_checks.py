"""Checks single arguments of a search request. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import Any, TypeGuard

from lsh_core.choices import choice_of
from lsh_core.errors import ArgumentError, SettingsError
from lsh_core.redaction import quoted
from lsh_core.retrieval.query import MAX_RESULTS
from lsh_core.search.filters.values import is_unicode
from lsh_core.settings import EFFORT_UNITS, REACH

MAX_MATCH_CHARACTERS = 10_000
_DEFAULT_WEIGHT = 0.5
_NOT_UNICODE = "is not Unicode text, as it holds half of a surrogate pair"
_OPTIONS = (
    *("match", "match_weight", "match_fields", "fusion", "k", "filter", "recall", "exact", "fields"),
    *EFFORT_UNITS,
)
_INSTEAD = {
    **dict.fromkeys(("vector", "id", "text", "image"), "search({0}=...) takes one, search_many(vectors) takes several"),
    "vectors": "search_many(vectors) takes several",
    **dict.fromkeys(("identity", "row", "doc_id"), "the id of a stored row is id"),
    **dict.fromkeys(("text_query", "encode_text", "query_text"), "a text that is encoded is text"),
    **dict.fromkeys(("words", "keywords", "query"), "words to look for in full text are match"),
    "text_weight": "the weight of the words is match_weight",
    **dict.fromkeys(("text_fields", "text_field", "match_field"), "where to look for the words is match_fields"),
    **dict.fromkeys(("query_filter", "filters", "where"), "the filter is filter"),
    **dict.fromkeys(("top_k", "topk", "n", "size", "limit", "n_neighbors"), "how many are found is k"),
    **dict.fromkeys(("columns", "source", "output_fields", "include"), "what is returned is fields"),
}


def check_match(words: object) -> None:
    """Raise `SettingsError` for words that cannot be searched for."""
    if not isinstance(words, str):
        raise ArgumentError("match", words, "must be a text: the words to look for")
    if not is_unicode(words):
        raise SettingsError("match", words, _NOT_UNICODE)
    if not words.strip():
        raise SettingsError("match", words, "is empty")
    if len(words) > MAX_MATCH_CHARACTERS:
        reason = f"has {len(words)} characters; {MAX_MATCH_CHARACTERS} at most are searched"
        raise SettingsError("match", f"{words[:20]}…", reason)


def check_text_and_image(text: object, image: object) -> None:
    """Raise `ArgumentError` for an invalid type of text or image."""
    if text is not None and not isinstance(text, str):
        raise ArgumentError("text", text, "must be a text, which the index's encoder turns into a vector")
    if text is not None and not is_unicode(text):
        raise SettingsError("text", text, _NOT_UNICODE)
    if image is not None and not isinstance(image, bytes | str | Path):
        raise ArgumentError("image", image, "must be the bytes of an image file, or its path")


def checked_k(k: object) -> int:
    bounds = f"must be a whole number from 1 to {MAX_RESULTS}"
    if not _is_whole(k):
        raise ArgumentError("k", k, bounds)
    if not 1 <= k <= MAX_RESULTS:
        raise SettingsError("k", k, bounds)
    return int(k)


def checked_recall(recall: Any) -> float | None:
    if recall is None:
        return None
    number: Any = recall if isinstance(recall, Real) else None
    if number is None or not 0 < number <= 1:
        raise SettingsError("recall", recall, "must be above 0, and 1 at most")
    return float(number)


def checked_effort(effort: object) -> dict[str, float]:
    """Return efforts by unit; raise an error for other units and for values that are no such numbers."""
    if not isinstance(effort, Mapping):
        raise ArgumentError("effort", effort, "must be a number by its unit, such as {'probes': 8}")
    for unit, value in effort.items():
        if unit not in EFFORT_UNITS:
            raise ArgumentError(str(unit), value, not_an_argument(str(unit)))
        if unit != REACH and not _is_whole(value):
            raise SettingsError(unit, value, "must be a whole number")
        if isinstance(value, bool) or not isinstance(value, Real):
            raise SettingsError(unit, value, "must be a number")
    return {unit: float(value) if unit == REACH else int(value) for unit, value in effort.items()}


def checked_names(argument: str, names: object) -> tuple[str, ...] | None:
    """Return a collection of names as a tuple; raise `ArgumentError` for other values but None."""
    if names is None:
        return None
    if isinstance(names, str):
        raise ArgumentError(argument, names, f"must be a list of names, not one text: {argument}=[{quoted(names, 60)}]")
    if not isinstance(names, Collection) or isinstance(names, bytes | Mapping) or getattr(names, "ndim", 1) != 1:
        raise ArgumentError(argument, names, f"must be a list of names, not {type(names).__name__}")
    for name in names:
        if not is_text(name):
            raise ArgumentError(argument, names, f"must hold names, not {quoted(name, 60)}")
    return tuple(names)


def checked_weight(weight: object, fusion: str) -> float | None:
    """Return the weight of the words; None under reciprocal rank fusion."""
    if weight is None:
        return _DEFAULT_WEIGHT if fusion == "weighted" else None
    if isinstance(weight, bool) or not isinstance(weight, Real):
        raise ArgumentError("match_weight", weight, "must be a number from 0 to 1")
    if fusion == "rrf":
        raise SettingsError("match_weight", weight, "has no place in reciprocal rank fusion")
    try:
        number = float(weight)
    except OverflowError:
        number = float("inf")
    if not 0 <= number <= 1:
        raise SettingsError("match_weight", weight, "must be from 0 to 1")
    return number


def not_an_argument(name: str) -> str:
    """Return the replacement of an argument that a search lacks."""
    if name in _INSTEAD:
        return f"is not an argument of this search: {_INSTEAD[name].format(name)}"
    return f"is not an argument of this search: {choice_of(name, _OPTIONS)}"


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_text(value: object) -> bool:
    return isinstance(value, str) and value != "" and is_unicode(value)
