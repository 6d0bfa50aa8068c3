"""What is asked of a search, checked. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from numbers import Integral, Real
from typing import Any

from lsh_core.choices import choice_of
from lsh_core.errors import ArgumentError, SettingsError
from lsh_core.redaction import quoted
from lsh_core.search.filter_fields import check_filter_fields
from lsh_core.search.filter_values import is_unicode
from lsh_core.search.filters import check_filter
from lsh_core.search.queries import MAX_RESULTS, Filter, all_of, excluding
from lsh_core.search.searchable_build import SearchableBuild
from lsh_core.settings import EFFORT_UNITS

_INSTEAD = {
    "id": "search_id(id) finds the neighbours of a stored row",
    "identity": "search_id(id) finds the neighbours of a stored row",
    "text": "text_query=... searches by the meaning of a text, search_hybrid(text, ...) for its words as well",
    "text_query": "search(text_query=...) and search_hybrid(text, text_query=...) take one",
    "image": "search(image=...) and search_hybrid(text, image=...) take one",
    "vector": "search(vector) takes one",
    "vectors": "search_many(vectors) takes several",
    "filter": "the filter is query_filter",
    **dict.fromkeys(("top_k", "topk", "n", "size", "limit", "n_neighbors"), "how many are found is k"),
    **dict.fromkeys(("columns", "source", "output_fields", "include"), "what is returned is fields"),
}
_ARGUMENTS = ("k", "recall", "query_filter", "fields", *EFFORT_UNITS)


@dataclass(frozen=True)
class Request:
    """What is asked of every query of a search.

    Attributes
    ----------
    effort
        What the caller wants done, by unit; empty: what is enough.
    but
        The row that is left out.
    """

    k: int
    fields: Sequence[str] | None
    query_filter: Filter | None
    recall: float | None
    effort: Mapping[str, int]
    but: str | None = None

    @property
    def among(self) -> Filter | None:
        """The filter that every neighbour passes."""
        return all_of(self.query_filter, excluding(self.but) if self.but is not None else None)


def checked_request(
    k: int,
    fields: Sequence[str] | None,
    query_filter: Mapping[str, Any] | None,
    recall: float | None,
    effort: Mapping[str, int | None],
    *,
    but: str | None = None,
) -> Request:
    """Return the request for what a caller gave.

    Raises
    ------
    SettingsError
        A `k`, a recall or fields that cannot be, or both a recall and an effort.
    InputError
        A filter that is not allowed.
    """
    check_k(k)
    if but is not None and not _is_text(but):
        raise ArgumentError("id", but, "must be the id of a row, a text")
    if recall is not None and not (_is_number(recall) and 0 < recall <= 1):
        raise SettingsError("recall", recall, "must be above 0, and 1 at most")
    for unit, value in effort.items():
        if unit not in EFFORT_UNITS:
            raise ArgumentError(unit, value, _not_an_argument(unit))
        if value is not None and not _is_whole(value):
            raise SettingsError(unit, value, "must be a whole number")
    check_names("fields", fields)
    asked = {unit: int(value) for unit, value in effort.items() if value is not None}
    if recall is not None and asked:
        raise SettingsError("recall", recall, f"decides the effort: give no {', '.join(asked)}")
    checked = check_filter(query_filter) if query_filter is not None else None
    return Request(int(k), None if fields is None else tuple(fields), checked, recall, asked, but)


def check_names(argument: str, names: object) -> None:
    """Raise `ArgumentError` unless `names` is None or a collection of texts."""
    if isinstance(names, str):
        raise ArgumentError(argument, names, f"must be a list of names, not one text: {argument}=[{quoted(names, 60)}]")
    if names is None:
        return
    if not isinstance(names, Collection) or isinstance(names, bytes | Mapping) or getattr(names, "ndim", 1) != 1:
        raise ArgumentError(argument, names, f"must be a list of names, not {type(names).__name__}")
    for name in names:
        if not _is_text(name):
            raise ArgumentError(argument, names, f"must hold names, not {quoted(name, 60)}")


def _not_an_argument(unit: str) -> str:
    """Return what to write instead of an argument that a search does not have."""
    if unit in _INSTEAD:
        return f"is not an argument of this search: {_INSTEAD[unit]}"
    return f"is not an argument of this search: {choice_of(unit, _ARGUMENTS)}"


def check_k(k: int) -> None:
    """Raise `SettingsError` for more neighbours than the server gives, or for none."""
    wrong = SettingsError if _is_whole(k) else ArgumentError
    if wrong is ArgumentError or not 1 <= k <= MAX_RESULTS:
        raise wrong("k", k, f"must be a whole number from 1 to {MAX_RESULTS}")


def _is_whole(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, Real)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != "" and is_unicode(value)


def check_for(build: SearchableBuild, request: Request) -> None:
    """Check the fields and the filter of a request against the mapping of the build that answers.

    Raises
    ------
    SettingsError
        A field to return that no document of the build has.
    FilterError
        A field of the filter that the build does not have, or that cannot be filtered so.
    """
    check_fields(build, request.fields)
    if request.query_filter is not None:
        check_filter_fields(request.query_filter, build.mapping, build.index)


def check_fields(build: SearchableBuild, fields: Sequence[str] | None) -> None:
    """Refuse fields to return that no document has. A name may be a pattern, or an object's, which is all in it."""
    if not fields:
        return
    multi = {f"{path}.{name}" for path, field in build.mapping.items() for name in field.get("fields", ())}
    paths = [path for path in build.mapping if path not in multi]
    for name in fields:
        if any(fnmatchcase(path, name) for path in paths):
            continue
        raise SettingsError("fields", name, f"is not a field of {build.index}: {choice_of(name, paths)}")
