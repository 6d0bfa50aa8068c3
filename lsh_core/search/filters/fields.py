"""Checks filters against the fields of a build. Pure: no I/O.

Elasticsearch returns no hits and no error for a filter on an unmapped field, for ``term`` on full text, for a number
that a field cannot hold, and for ranges of numbers on text. These filters are refused here. The message names the
field, its type, and a filter that works.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lsh_core.choices import did_you_mean, listed
from lsh_core.elastic.text_values import MAX_ID_BYTES
from lsh_core.errors import FilterError
from lsh_core.redaction import quoted
from lsh_core.search.filters.grammar import BOUNDS, leaves
from lsh_core.search.filters.options import check_for_type
from lsh_core.search.filters.values import DATES, NUMBERS, why_unfit

_OWN = "airlsh"
_VALUELESS = ("object", "dense_vector")
_TAKES: dict[str, frozenset[str]] = {
    **dict.fromkeys((*NUMBERS, *DATES, "ip", "keyword"), frozenset({"term", "terms", "range", "exists"})),
    "boolean": frozenset({"term", "terms", "exists"}),
    "text": frozenset({"match", "exists"}),
    "binary": frozenset(),
    **dict.fromkeys(("geo_point", "dense_vector", "object"), frozenset({"exists"})),
}
"""Queries that each type of field supports; other types support all queries."""

Fields = Mapping[str, Mapping[str, Any]]


def check_filter_fields(query: Mapping[str, Any], fields: Fields, index: str) -> None:
    """Check the fields, queries and values of a filter against `index`.

    Parameters
    ----------
    query
        Filter that passed `lsh_core.search.filters.grammar.check_filter`.
    fields
        Mapping of each field by its path, with multi-fields such as ``title.keyword``, without airlsh's own fields.

    Raises
    ------
    FilterError
        Its path leads to the first clause that cannot match as intended.
    """
    for kind, body, path in leaves(query):
        if kind == "ids":
            _check_ids(body["values"], f"{path}.values")
            continue
        name = body["field"] if kind == "exists" else next(iter(body))
        here = f"{path}.{name}"
        field = fields.get(name)
        if field is None:
            raise FilterError(here, _unknown(name, fields, index))
        if not _takes(kind, field):
            raise FilterError(here, _misfit(kind, name, field, fields))
        if kind != "exists":
            _check_values(kind, body[name], field, here)


def _check_ids(values: list[Any], path: str) -> None:
    for number, value in enumerate(values):
        if isinstance(value, bool | float):
            raise FilterError(f"{path}[{number}]", f"must be an id, a text such as {str(value)!r}, not {value!r}")
        _check_bits(value, f"{path}[{number}]")
        if not 0 < len(str(value).encode()) <= MAX_ID_BYTES:
            raise FilterError(f"{path}[{number}]", f"is the id of no row: ids have 1 to {MAX_ID_BYTES} bytes")


def _takes(kind: str, field: Mapping[str, Any]) -> bool:
    if field.get("index") is False and (kind == "match" or field.get("doc_values") is False):
        return False
    taken = _TAKES.get(type_of(field))
    return taken is None or kind in taken


def type_of(field: Mapping[str, Any]) -> str:
    """Return the type of a field; a field with subfields is an object."""
    return str(field.get("type", "object"))


def _check_values(kind: str, wanted: Any, field: Mapping[str, Any], path: str) -> None:
    if isinstance(wanted, Mapping) and type_of(field) in _TAKES:
        check_for_type(kind, wanted, type_of(field), path)
    if kind == "match":
        _check_bits(wanted["query"] if isinstance(wanted, Mapping) else wanted, path)
        return
    if kind == "terms":
        for number, value in enumerate(wanted):
            _check_value(kind, value, field, f"{path}[{number}]")
    elif kind == "range":
        # The server parses these dates by the caller's format.
        check = _check_formatted if "format" in wanted and type_of(field) in DATES else _check_value
        for bound in BOUNDS:
            if wanted.get(bound) is not None:
                check(kind, wanted[bound], field, f"{path}.{bound}")
    else:
        _check_value(kind, wanted["value"] if isinstance(wanted, Mapping) else wanted, field, path)


def _check_value(kind: str, value: object, field: Mapping[str, Any], path: str) -> None:
    if (reason := why_unfit(kind, value, field)) is not None:
        raise FilterError(path, f"{quoted(value, 60)} {reason}")
    _check_bits(value, path)


def _check_formatted(kind: str, value: object, field: Mapping[str, Any], path: str) -> None:
    if isinstance(value, bool | float):
        raise FilterError(path, f"{quoted(value, 60)} is not a date: give a text of the format, or a whole number")
    _check_bits(value, path)


def _check_bits(value: object, path: str) -> None:
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        raise FilterError(path, f"{quoted(value, 60)} has more than 64 bits: write it as a text")


def _unknown(name: str, fields: Fields, index: str) -> str:
    if name.partition(".")[0] == _OWN:
        return "is a field that airlsh keeps for itself: filter by the fields of your source"
    if name == "_id":
        return 'is not a field to filter by: use {"ids": {"values": [...]}}'
    outer, _, last = name.rpartition(".")
    if last == "keyword" and outer in fields:
        return f"does not exist: {outer} is of type {type_of(fields[outer])} itself, so filter by {outer}"
    usable = [each for each in fields if _TAKES.get(type_of(fields[each])) != frozenset()]
    valued = [each for each in usable if type_of(fields[each]) not in _VALUELESS]
    if not valued:
        return f"is not a field of {index}: the index has no field to filter by"
    typed = [f"{each} ({type_of(fields[each])})" for each in valued]
    return f"is not a field of {index}: {did_you_mean(name, valued, 2)}there are {listed(typed)}"


def _misfit(kind: str, name: str, field: Mapping[str, Any], fields: Fields) -> str:
    type_ = type_of(field)
    if type_ == "text":
        whole = f"{name}.keyword"
        exact = f', or for whole values {{"{kind}": {{"{whole}": ...}}}}' if whole in fields else ""
        return f'is full text, which {kind} does not search: use {{"match": {{"{name}": "..."}}}} for words{exact}'
    if kind == "match" and "term" in _TAKES.get(type_, ()):
        text = "; to search its words, build the index with --text-field" if type_ == "keyword" else ""
        return f'is of type {type_}, and match searches full text: use {{"term": {{"{name}": ...}}}}{text}'
    if type_ == "object":
        inner = [each for each in fields if each.startswith(f"{name}.")]
        return f"is an object, which has no value itself: filter by one of {listed(inner)}"
    if type_ == "dense_vector":
        return "holds vectors, which no filter compares: search by a vector instead"
    if taken := sorted(_TAKES.get(type_, ())):
        return f"is of type {type_}, which takes {', '.join(taken)}, not {kind}"
    return f"is of type {type_}, which is stored but not indexed: no filter can find it"
