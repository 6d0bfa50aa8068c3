"""Filters against the fields of a build: what could never match is refused, with what fits."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lsh_core.builds.field_types import KEYWORD_BYTES, field_paths, multi_fields
from lsh_core.errors import FilterError
from lsh_core.search.filters.fields import check_filter_fields
from lsh_core.search.filters.grammar import check_filter

KEYWORD = {"type": "keyword", "ignore_above": KEYWORD_BYTES}
PROPERTIES: dict[str, dict[str, Any]] = {
    "section": KEYWORD,
    "title": {"type": "text", "fields": {"keyword": KEYWORD}},
    **{each: {"type": each} for each in ("byte", "short", "integer", "long", "half_float", "float", "double")},
    "ok": {"type": "boolean"},
    "moment": {"type": "date_nanos"},
    "day": {"type": "date", "format": "strict_date_optional_time||epoch_millis"},
    "host": {"type": "ip"},
    "place": {"type": "geo_point"},
    "blob": {"type": "binary"},
    "embedding": {"type": "dense_vector"},
    "author": {"properties": {"name": KEYWORD, "age": {"type": "integer"}}},
    "hidden": {"type": "keyword", "index": False, "doc_values": False},
    "strange": {"type": "flattened"},
}
FIELDS = {**field_paths(PROPERTIES), **multi_fields(PROPERTIES)}


def check(query: dict[str, Any]) -> None:
    check_filter_fields(check_filter(query), FIELDS, "airlsh-docs-b1")


FITS: list[dict[str, Any]] = [
    {"term": {"section": "web"}},
    {"term": {"section": 5}},  # The text "5", as whole numbers are written in one way only.
    {"term": {"section": {"value": "WEB", "case_insensitive": True}}},
    {"term": {"section": "x" * KEYWORD_BYTES}},
    {"range": {"section": {"gte": "a", "lt": "b"}}},
    {"range": {"section": {"gte": "2026"}}},
    {"term": {"title.keyword": "Web server"}},
    {"match": {"title": {"query": "web", "operator": "and"}}},
    {"exists": {"field": "title"}},
    *({"term": {number: 5}} for number in ("byte", "short", "integer", "long", "half_float", "float", "double")),
    {"terms": {"long": [5, 5.0, "5", 1e2, 2**63 - 1, -(2**63)]}},
    {"term": {"double": 0.5}},
    {"range": {"byte": {"gte": -1000, "lt": 300.5}}},
    {"range": {"long": {"gt": 0.5, "lte": None}}},
    {"term": {"ok": True}},
    {"term": {"ok": "false"}},
    *(
        {"range": {"day": {"gte": each}}}
        for each in ("2026", "2026-02-28", "2024-02-29T10", "2026-01-01T10:00:00.123Z", "-0044-03-15", "now", 0)
    ),
    *({"term": {"day": each}} for each in ("9999-12-31", "now-7d/d", "2026-01-01||+1M/d", "1767225600000", -5)),
    {"range": {"day": {"gte": "20.11.2026", "format": "dd.MM.yyyy"}}},
    {"range": {"day": {"gte": 2026, "format": "yyyy", "time_zone": "Europe/Berlin"}}},
    *({"range": {"moment": {"gte": each}}} for each in ("1970-01-01", "2262-04-11", 0, 9_223_372_036_853, "now-1y")),
    {"range": {"strange": {"gte": 1, "relation": "within"}}},
    {"term": {"ok": {"value": True, "case_insensitive": True}}},
    {"term": {"long": {"value": 5, "case_insensitive": False}}},
    {"term": {"section": 2**64 - 1}},
    {"term": {"host": "2001:db8::/32"}},
    {"term": {"host": "10.0.0.0/24"}},
    {"range": {"host": {"gte": "::1"}}},
    {"exists": {"field": "place"}},
    {"exists": {"field": "author"}},
    {"exists": {"field": "embedding"}},
    {"term": {"author.name": "x"}},
    {"term": {"strange": "x"}},
    {"ids": {"values": ["a", 5]}},
    {"bool": {"must_not": {"term": {"ok": True}}, "should": [{"term": {"byte": 1}}], "minimum_should_match": "50%"}},
]


@pytest.mark.parametrize("query", FITS, ids=lambda query: json.dumps(query)[:60])
def test_fits(query: dict[str, Any]) -> None:
    check(query)


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"term": {"sectoin": "web"}}, "term.sectoin", "is not a field of airlsh-docs-b1: did you mean section?"),
    ({"term": {"Section": "web"}}, "term.Section", "did you mean section?"),
    ({"range": {"zzz": {"gte": 1}}}, "range.zzz", "there are section (keyword), title (text)"),
    ({"exists": {"field": "sect*"}}, "exists.sect*", "is not a field"),
    ({"term": {"name": "x"}}, "term.name", "did you mean author.name?"),
    ({"term": {"author.nam": "x"}}, "term.author.nam", "did you mean author.name"),
    ({"term": {"section.keyword": "web"}}, "term.section.keyword", "so filter by section"),
    ({"terms": {"airlsh.tokens.embedding": ["a"]}}, "terms.airlsh.tokens.embedding", "airlsh keeps for itself"),
    ({"exists": {"field": "airlsh"}}, "exists.airlsh", "airlsh keeps for itself"),
    ({"term": {"_id": "a"}}, "term._id", '{"ids": {"values": [...]}}'),
    ({"term": {"title": "Web"}}, "term.title", 'use {"match": {"title": "..."}}'),
    ({"terms": {"title": ["Web"]}}, "terms.title", '{"terms": {"title.keyword": ...}}'),
    ({"range": {"title": {"gte": "a"}}}, "range.title", "is full text, which range does not search"),
    ({"match": {"section": "web net"}}, "match.section", '{"term": {"section": ...}}'),
    ({"match": {"long": 5}}, "match.long", "match searches full text"),
    ({"term": {"author": "x"}}, "term.author", "filter by one of author.name, author.age"),
    ({"term": {"embedding": 1}}, "term.embedding", "search by a vector instead"),
    ({"exists": {"field": "blob"}}, "exists.blob", "stored but not indexed"),
    ({"exists": {"field": "hidden"}}, "exists.hidden", "type keyword, which takes"),
    ({"term": {"place": "1,1"}}, "term.place", "takes exists, not term"),
    ({"range": {"ok": {"gte": False}}}, "range.ok", "takes exists, term, terms, not range"),
    ({"term": {"long": "abc"}}, "term.long", "'abc' is not a number, and the field is of type long"),
    ({"term": {"long": True}}, "term.long", "is not a number"),
    ({"term": {"double": "NaN"}}, "term.double", "is not a number"),
    ({"term": {"long": 5.5}}, "term.long", "not a whole number"),
    ({"terms": {"byte": [1, 300]}}, "terms.byte[1]", "a byte, which goes from -128 to 127: no row can have it"),
    ({"term": {"long": 2**70}}, "term.long", "beyond a long"),
    ({"range": {"integer": {"lt": 3e9}}}, "range.integer.lt", "leave this bound out"),
    ({"range": {"byte": {"lt": 2**31}}}, "range.byte.lt", "leave this bound out"),
    ({"term": {"float": 1e300}}, "term.float", "beyond what a float holds"),
    ({"term": {"half_float": 70_000}}, "term.half_float", "beyond what a half_float holds"),
    ({"term": {"ok": "yes"}}, "term.ok", "'yes' is not true or false"),
    ({"term": {"ok": 1}}, "term.ok", "not true or false"),
    *(
        ({"range": {"day": {"gte": each}}}, "range.day.gte", "is not a date, and the field is of type date")
        for each in ("soon", "2026-13-01", "2026-02-30", "20.11.2026", "2026-1-1", "nowish", "x||+1d", 1.5, True)
    ),
    *(
        ({"term": {"day": each}}, "term.day", "a year has four digits")
        for each in ("10000-01-01", "+10000-01-01", "-99999-01-01", "+2026-01-01")
    ),
    *(
        ({"terms": {"day": [each]}}, "terms.day[0]", "is not a date")
        for each in ("2026-01-01T24:00", "2026-01-01T23:59:60", "2026-01-01T10:60", "2026-01-01T10:00+18:01", "٢٠٢٦")
    ),
    *(
        ({"range": {"day": {"gte": each}}}, "range.day.gte", "goes further than any date")
        for each in ("now+999999999y", "now+99999999999y", "2026-01-01||-2147483648d", "now+2147483647M+2147483647M")
    ),
    *(
        ({"range": {"day": {"gte": each}}}, "range.day.gte", "is a count of milliseconds in 64 bits")
        for each in (2**63, -(2**63), "9223372036854775808", "9" * 5_000)
    ),
    *(
        ({"term": {"moment": each}}, "term.moment", "which goes from 1970-01-01 to 2262-04-11")
        for each in (-1, "1969-12-31", "2263-01-01", 9_223_372_036_854, "-0044-03-15||+1d")
    ),
    (
        {"range": {"day": {"gte": True, "format": "yyyy"}}},
        "range.day.gte",
        "is not a date: give a text of the format, or a whole number",
    ),
    ({"range": {"byte": {"gte": 1, "time_zone": "UTC"}}}, "range.byte.time_zone", "is for dates, and the field is of"),
    ({"range": {"section": {"gte": "a", "format": "yyyy"}}}, "range.section.format", "is for dates"),
    ({"range": {"long": {"gte": 1, "relation": "within"}}}, "range.long.relation", "is for fields that hold ranges"),
    ({"term": {"day": {"value": "2026", "case_insensitive": True}}}, "term.day.case_insensitive", "is for texts"),
    ({"term": {"long": "\u0665"}}, "term.long", "is not a number"),
    ({"term": {"long": "1_0"}}, "term.long", "is not a number"),
    ({"range": {"long": {"gte": -(2.0**63)}}}, "range.long.gte", "leave this bound out"),
    ({"term": {"section": 2**64}}, "term.section", "has more than 64 bits: write it as a text"),
    ({"term": {"double": 10**30}}, "term.double", "has more than 64 bits"),
    ({"term": {"strange": -(2**64)}}, "term.strange", "has more than 64 bits"),
    ({"match": {"title": 2**64}}, "match.title", "has more than 64 bits"),
    ({"ids": {"values": ["a", 2**64]}}, "ids.values[1]", "has more than 64 bits"),
    ({"term": {"host": "10.0.0.0/255.0.0.0"}}, "term.host", "not an address"),
    ({"term": {"host": "::ffff:1.2.3.4/128"}}, "term.host", "not an address"),
    ({"term": {"host": "localhost"}}, "term.host", "not an address"),
    ({"range": {"host": {"gte": "10.0.0.0/8"}}}, "range.host.gte", "not an address"),
    ({"range": {"section": {"gte": 5}}}, "range.section.gte", "compared as text: build the index with --field-type"),
    ({"range": {"section": {"gte": "0.3"}}}, "range.section.gte", "'10.5' comes before '9.5'"),
    ({"term": {"section": True}}, "term.section", 'such as "true"'),
    ({"term": {"section": 0.5}}, "term.section", "is not a text"),
    ({"term": {"section": "x" * (KEYWORD_BYTES + 1)}}, "term.section", "only values of up to 8,191 can be found"),
    ({"ids": {"values": ["a", True]}}, "ids.values[1]", "must be an id"),
    ({"ids": {"values": [1.5]}}, "ids.values[0]", "must be an id"),
    ({"ids": {"values": [""]}}, "ids.values[0]", "ids have 1 to 512 bytes"),
    (
        {"bool": {"filter": [{"bool": {"must_not": {"term": {"nope": 1}}}}]}},
        "bool.filter[0].bool.must_not[0].term.nope",
        "is not a field",
    ),
]


@pytest.mark.parametrize(("query", "path", "reason"), REFUSED, ids=[json.dumps(query)[:60] for query, *_ in REFUSED])
def test_what_could_never_match_is_refused(query: dict[str, Any], path: str, reason: str) -> None:
    with pytest.raises(FilterError) as raised:
        check(query)
    assert raised.value.path == path
    assert reason in raised.value.reason
    assert raised.value.exit_code == 2


def test_of_many_fields_some_are_named() -> None:
    fields = {f"f{number}": KEYWORD for number in range(2_000)}
    with pytest.raises(FilterError, match="and 1,980 more") as raised:
        check_filter_fields({"term": {"unknown": 1}}, fields, "docs")
    assert len(str(raised.value)) < 500


def test_an_index_of_vectors_alone_has_nothing_to_filter_by() -> None:
    with pytest.raises(FilterError, match="has no field to filter by"):
        check_filter_fields({"term": {"a": 1}}, {"embedding": {"type": "dense_vector"}}, "docs")
