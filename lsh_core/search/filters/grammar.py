"""Checks filters of searches by an allow-list with bounds. Pure: no I/O.

`lsh_core.search.filters.fields` checks fields and values against the answering build.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from lsh_core.choices import choice_of
from lsh_core.errors import FilterError
from lsh_core.search.filters.options import check_minimum, check_option
from lsh_core.search.filters.values import is_field_name, why_not_json

LEAF_QUERIES = frozenset({"term", "terms", "range", "exists", "ids", "match"})
BOOL_CLAUSES = frozenset({"must", "filter", "should", "must_not"})
BOUNDS = ("gt", "gte", "lt", "lte")
_BOOL_OPTIONS = BOOL_CLAUSES | {"minimum_should_match"}
_SCALARS = (str, int, float)
_NAMED = frozenset({"boost", "_name"})
_OPTIONS = {
    "term": _NAMED | {"value", "case_insensitive"},
    "range": _NAMED | {*BOUNDS, "format", "time_zone", "relation"},
    "match": _NAMED
    | {"query", "operator", "minimum_should_match", "fuzziness", "prefix_length", "max_expansions", "analyzer"}
    | {"fuzzy_transpositions", "fuzzy_rewrite", "lenient", "zero_terms_query", "auto_generate_synonyms_phrase_query"},
}
MAX_DEPTH = 5
MAX_CLAUSES = 100
MAX_TERMS = 10_000


def parse_filter(text: str) -> dict[str, Any]:
    """Parse a filter given as JSON and check it.

    Raises
    ------
    FilterError
        The filter is not JSON, or not an allowed query.
    """
    try:
        query = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        shown = 'such as {"term": {"FIELD": "VALUE"}}'
        raise FilterError("", f"is not JSON {shown}: {error}") from error
    return check_filter(query)


def check_filter(query: object) -> dict[str, Any]:
    """Return `query` if all of its queries are allowed.

    Allowed are ``term``, ``terms`` with a list, ``range``, ``exists``, ``ids``, ``match`` and ``bool`` of these, at
    most `MAX_DEPTH` deep and with at most `MAX_CLAUSES` clauses. Queries that run scripts, read other indices or have
    unbounded cost are refused.

    Raises
    ------
    FilterError
        Its path leads to the refused part.
    """
    if not isinstance(query, dict):
        raise FilterError("", f'must be an object like {{"term": {{...}}}}, not {type(query).__name__}')
    if (clauses := _check(query, "", 1)) > MAX_CLAUSES:
        raise FilterError("", f"has {clauses} clauses, {MAX_CLAUSES} are allowed")
    return query


def leaves(query: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Mapping[str, Any], str]]:
    """Yield type, body and path of each query of a filter except ``bool``."""
    kind, body = next(iter(query.items()))
    here = f"{path}.{kind}".lstrip(".")
    if kind != "bool":
        yield kind, body, here
        return
    for name, inner in body.items():
        if name in BOOL_CLAUSES:
            for number, each in enumerate(inner if isinstance(inner, list) else [inner]):
                yield from leaves(each, f"{here}.{name}[{number}]")


def _check(query: object, path: str, depth: int) -> int:
    """Check one query, and return its number of clauses."""
    if depth > MAX_DEPTH:
        raise FilterError(path, f"is more than {MAX_DEPTH} deep")
    if not isinstance(query, Mapping) or len(query) != 1:
        raise FilterError(path, "must be an object with one key, the type of the query")
    kind, body = next(iter(query.items()))
    here = f"{path}.{kind}".lstrip(".")
    if kind == "bool":
        return _check_bool(body, here, depth)
    if kind not in LEAF_QUERIES:
        raise FilterError(here, f"is not allowed; allowed are bool, {', '.join(sorted(LEAF_QUERIES))}")
    if not isinstance(body, Mapping):
        raise FilterError(here, "must be an object")
    _check_leaf(kind, body, here)
    return 1


def _check_leaf(kind: str, body: Mapping[str, Any], here: str) -> None:
    if kind == "terms":
        _check_terms(body, here)
    elif kind == "ids":
        if set(body) != {"values"}:
            raise FilterError(here, 'must be {"values": [...]}')
        _check_terms(body, here)
    elif kind == "exists":
        if set(body) != {"field"} or not is_field_name(body["field"]):
            raise FilterError(here, 'must be {"field": "NAME"}')
    else:
        _check_field(kind, body, here)


def _check_bool(body: object, path: str, depth: int) -> int:
    if not isinstance(body, Mapping) or not set(body) <= _BOOL_OPTIONS:
        raise FilterError(path, f"may have {', '.join(sorted(_BOOL_OPTIONS))} only")
    clauses = 0
    inner = {name: body[name] if isinstance(body[name], list) else [body[name]] for name in BOOL_CLAUSES & set(body)}
    for name, queries in inner.items():
        for number, each in enumerate(queries):
            clauses += _check(each, f"{path}.{name}[{number}]", depth + 1)
    if "minimum_should_match" in body:
        should = len(inner.pop("should", ()))
        here = f"{path}.minimum_should_match"
        check_minimum(body["minimum_should_match"], here, clauses=should, others=sum(map(len, inner.values())))
    return clauses


def _check_field(kind: str, body: Mapping[str, Any], path: str) -> None:
    """Check a ``term``, ``match`` or ``range``: one field with comparable values."""
    if len(body) != 1:
        raise FilterError(path, "must be an object with one key, the field")
    field, wanted = next(iter(body.items()))
    _check_name(field, path)
    here = f"{path}.{field}"
    if isinstance(wanted, Mapping):
        _check_options(kind, wanted, here)
        for option, value in wanted.items():
            # A null bound is no bound, as on the server.
            unbounded = kind == "range" and value is None and option in BOUNDS
            if not unbounded and not isinstance(value, _SCALARS):
                raise FilterError(f"{here}.{option}", f"must be a value, not {_word(value)}")
            check_option(option, value, f"{here}.{option}")
        if kind in ("term", "match") and (name := "value" if kind == "term" else "query") not in wanted:
            raise FilterError(here, f'must have "{name}"')
    elif kind == "range":
        raise FilterError(here, 'must be an object like {"gte": 1, "lt": 10}')
    else:
        _check_scalar(wanted, here)


def _check_scalar(value: object, path: str) -> None:
    if not isinstance(value, _SCALARS):
        raise FilterError(path, f"must be a value, not {_word(value)}")
    if (reason := why_not_json(value)) is not None:
        raise FilterError(path, reason)


def _check_name(field: object, path: str) -> None:
    if not is_field_name(field):
        raise FilterError(path, f"must name a field, not {field!r}")


def _check_options(kind: str, options: Mapping[str, Any], path: str) -> None:
    """Check the names of options; a range needs a bound, at most one per side."""
    if not options:
        raise FilterError(path, "is empty")
    for option in options:
        if option not in _OPTIONS[kind]:
            reason = f"is not an option of {kind}: {choice_of(str(option), sorted(_OPTIONS[kind]))}"
            raise FilterError(f"{path}.{option}", reason)
    if kind == "range":
        if not options.keys() & BOUNDS:
            raise FilterError(path, "has no bound: give one of gt, gte, lt and lte")
        for side in ({"gt", "gte"}, {"lt", "lte"}):
            if side <= set(options):
                raise FilterError(path, f"has two bounds on one side: give one of {' and '.join(sorted(side))}")


def _word(value: object) -> str:
    return "null" if value is None else type(value).__name__


def _check_terms(body: Mapping[str, Any], path: str) -> None:
    if len(body) != 1:
        raise FilterError(path, "must be an object with one key, the field")
    for field, values in body.items():
        _check_name(field, path)
        # An object here would be a look-up into another index.
        if not isinstance(values, list):
            raise FilterError(f"{path}.{field}", "must be a list of values")
        if len(values) > MAX_TERMS:
            raise FilterError(f"{path}.{field}", f"has {len(values)} values, {MAX_TERMS} are allowed")
        for number, value in enumerate(values):
            _check_scalar(value, f"{path}.{field}[{number}]")
