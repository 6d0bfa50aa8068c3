"""Turns the server's refusal of a filter into an error. Pure: no I/O.

The server alone knows names of time zones, date formats and analyzers, and its limits. Its refusals become errors with
the path to the clause. The checks before a search, `grammar` and `fields`, find all other faults.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lsh_core.errors import FilterError
from lsh_core.search.filters.grammar import BOUNDS, leaves

_NOISE = re.compile(r"^failed to create query: |(: |; )all shards failed$|^java\.[\w.]+: ")


@dataclass(frozen=True)
class _Value:
    """Value in a filter: its option (or ``value``), its path, and the options beside it."""

    option: str
    value: object
    path: str
    beside: Mapping[str, Any]


@dataclass(frozen=True)
class _Refusal:
    """A reason of the server, the value that it concerns, and its sentence."""

    reason: re.Pattern[str]
    means: Callable[[_Value, re.Match[str]], bool]
    sentence: Callable[[_Value, re.Match[str]], str]


def filter_refused(query: Mapping[str, Any], reason: str) -> FilterError | None:
    """Return the error for a refused filter; None for an unrelated reason.

    Parameters
    ----------
    query
        Filter that passed `lsh_core.search.filters.grammar.check_filter`.
    reason
        Reason in the server's words.
    """
    values = list(_values(query))
    for refusal in _REFUSALS:
        if (found := refusal.reason.search(reason)) is None:
            continue
        meant = [each for each in values if refusal.means(each, found)]
        if meant:
            return FilterError(meant[0].path if len(meant) == 1 else "", refusal.sentence(meant[0], found))
    return None


def plain_reason(reason: str) -> str:
    """Return the server's reason without words that do not concern the query."""
    before = None
    while before != reason:
        before, reason = reason, _NOISE.sub("", reason)
    return reason


def _values(query: Mapping[str, Any]) -> Iterator[_Value]:
    for kind, body, path in leaves(query):
        if kind in ("exists", "ids"):
            continue
        ((field, wanted),) = body.items()
        options = wanted if isinstance(wanted, Mapping) else {"value": wanted}
        for option, value in options.items():
            here = f"{path}.{field}" if option in ("value", "query") else f"{path}.{field}.{option}"
            yield _Value(option, value, here, options)


def _is(*options: str) -> Callable[[_Value, re.Match[str]], bool]:
    """Return whether a value belongs to one of the options and, if the reason names a value, is that value."""

    def means(value: _Value, found: re.Match[str]) -> bool:
        return value.option in options and ("said" not in found.groupdict() or str(value.value) == found["said"])

    return means


def _is_of_format(value: _Value, found: re.Match[str]) -> bool:
    return str(value.beside.get("format")) == found["format"] and str(value.value) == found["said"]


def _is_relative(value: _Value, _: re.Match[str]) -> bool:
    return value.option in ("value", *BOUNDS) and "now" in str(value.value)


def _is_terms(value: _Value, found: re.Match[str]) -> bool:
    return isinstance(value.value, list) and len(value.value) == int(found["count"])


_FORMATS = "give a pattern such as dd.MM.yyyy, or a name such as epoch_second or strict_date"
_ZONES = "give an offset such as +01:00, or a name such as Europe/Berlin, with its case"


def _no_time_zone(value: _Value, _: re.Match[str]) -> str:
    return f"{value.value!r} is no time zone of the server: {_ZONES}"


_REFUSALS = (
    _Refusal(
        re.compile(r"failed to parse date field \[(?P<said>.*?)\] with format \[(?P<format>.*?)\](:|;|$)", re.DOTALL),
        _is_of_format,
        lambda value, found: f"{value.value!r} is not a date of the format {found['format']}",
    ),
    _Refusal(
        re.compile(r"Invalid format: \[(?P<said>.*?)\]: (?P<why>[^:;]*)", re.DOTALL),
        _is("format"),
        lambda value, found: f"{value.value!r} is no format of dates ({found['why']}): {_FORMATS}",
    ),
    _Refusal(
        re.compile(r"Unknown time-zone ID: (?P<said>[^\s;]+?)(: |;|$)"),
        _is("time_zone"),
        _no_time_zone,
    ),
    _Refusal(
        re.compile(r"java\.time\.(zone\.)?\w+Exception|time-zone|ZoneOffset|ZoneId|zone offset", re.IGNORECASE),
        _is("time_zone"),
        _no_time_zone,
    ),
    _Refusal(
        re.compile(r"analyzer \[(?P<said>.*?)\] not found", re.DOTALL),
        _is("analyzer"),
        lambda value, _: f"{value.value!r} is no analyzer of the index: leave it out for the field's own",
    ),
    _Refusal(
        re.compile(r"date\[.*?\] is (before|after) .* nanosecond resolution"),
        _is_relative,
        lambda value, _: f"{value.value!r} is beyond a date_nanos, which goes from 1970-01-01 to 2262-04-11",
    ),
    _Refusal(
        re.compile(r"number of terms \[(?P<count>\d+)\].* maximum of \[(?P<limit>\d+)\]"),
        _is_terms,
        lambda _, found: f"has {int(found['count']):,} values; index.max_terms_count of the index is {found['limit']}",
    ),
    _Refusal(
        re.compile(r"too many (nested )?clauses", re.IGNORECASE),
        _is("query", "value"),
        lambda *_: "has more words than the server searches at once: shorten the text",
    ),
)
