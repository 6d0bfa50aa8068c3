from __future__ import annotations

import json
from typing import Any

import pytest

from lsh_core.errors import FilterError
from lsh_core.search.filters.grammar import MAX_CLAUSES, MAX_DEPTH, MAX_TERMS, check_filter, parse_filter

TERM = {"term": {"section": "web"}}

ALLOWED: list[dict[str, Any]] = [
    TERM,
    {"term": {"section": {"value": "web", "boost": 2}}},
    {"terms": {"section": ["web", "net"]}},
    {"terms": {"section": []}},
    {"range": {"size": {"gte": 1, "lt": 10}}},
    {"range": {"size": {"gte": 1, "lt": None}}},
    {"exists": {"field": "section"}},
    {"ids": {"values": ["a", "b"]}},
    {"match": {"title": "web server"}},
    {"bool": {}},
    {"bool": {"filter": TERM, "must_not": [TERM], "should": [TERM, TERM], "minimum_should_match": 1}},
]


@pytest.mark.parametrize("query", ALLOWED, ids=json.dumps)
def test_allowed(query: dict[str, Any]) -> None:
    assert check_filter(query) == query
    assert parse_filter(json.dumps(query)) == query


NOT_ALLOWED: list[tuple[Any, str, str]] = [
    ({"script": {"script": "true"}}, "script", "not allowed"),
    ({"script_score": {}}, "script_score", "not allowed"),
    ({"function_score": {}}, "function_score", "not allowed"),
    ({"query_string": {"query": "*"}}, "query_string", "not allowed"),
    ({"simple_query_string": {"query": "*"}}, "simple_query_string", "not allowed"),
    ({"nested": {"path": "a", "query": TERM}}, "nested", "not allowed"),
    ({"has_child": {}}, "has_child", "not allowed"),
    ({"percolate": {}}, "percolate", "not allowed"),
    ({"wildcard": {"a": "*"}}, "wildcard", "not allowed"),
    ({"regexp": {"a": ".*"}}, "regexp", "not allowed"),
    ({"prefix": {"a": "b"}}, "prefix", "not allowed"),
    ({"fuzzy": {"a": "b"}}, "fuzzy", "not allowed"),
    ({"more_like_this": {}}, "more_like_this", "not allowed"),
    ({"knn": {}}, "knn", "not allowed"),
    ({"wrapper": {"query": "e30="}}, "wrapper", "not allowed"),
    ({"match_all": {}}, "match_all", "not allowed"),
    ({"terms_set": {}}, "terms_set", "not allowed"),
    ({"terms": {"a": {"index": "other", "id": "1", "path": "p"}}}, "terms.a", "must be a list"),
    ({"terms": {"a": "web"}}, "terms.a", "must be a list"),
    ({"terms": {"a": list(range(MAX_TERMS + 1))}}, "terms.a", "are allowed"),
    ({"terms": ["a"]}, "terms", "must be an object"),
    ({"term": "a"}, "term", "must be an object"),
    ({"ids": {"values": "a"}}, "ids.values", "must be a list"),
    ({"ids": {"values": ["a"] * (MAX_TERMS + 1)}}, "ids.values", "are allowed"),
    ({"ids": {"values": ["a"], "index": "other"}}, "ids", "must be"),
    ({"ids": {}}, "ids", "must be"),
    ({}, "", "one key"),
    ({"term": {"a": 1}, "range": {"b": {}}}, "", "one key"),
    ({"bool": {"filter": [TERM, {"script": {}}]}}, "bool.filter[1].script", "not allowed"),
    ({"bool": {"must": {"bool": {"should": [{"terms": {"a": {}}}]}}}}, "bool.must[0].bool.should[0].terms.a", "list"),
    ({"bool": {"filter": ["a"]}}, "bool.filter[0]", "one key"),
    ({"bool": {"filter": None}}, "bool.filter[0]", "one key"),
    ({"bool": {"filter": TERM, "script": {}}}, "bool", "only"),
    ({"bool": []}, "bool", "only"),
    ({"term": {}}, "term", "one key"),
    ({"term": {"a": 1, "b": 2}}, "term", "one key"),
    ({"term": {"a": None}}, "term.a", "not null"),
    ({"term": {"a": [1]}}, "term.a", "not list"),
    ({"term": {"a": {}}}, "term.a", "is empty"),
    ({"term": {"a": {"value": 1, "colour": 2}}}, "term.a.colour", "is not an option of term"),
    ({"range": {"a": {"gte": 1, "formt": "yyyy"}}}, "range.a.formt", "did you mean format?"),
    ({"range": {"a": {"boost": 2}}}, "range.a", "has no bound"),
    ({"range": {"a": {"gt": 1, "gte": 2}}}, "range.a", "two bounds on one side: give one of gt and gte"),
    ({"match": {"a": {"query": "b", "fuzzines": 1}}}, "match.a.fuzzines", "did you mean fuzziness?"),
    ({"bool": {"should": TERM, "minimum_should_match": "most"}}, "bool.minimum_should_match", "not 'most'"),
    ({"bool": {"should": TERM, "minimum_should_match": True}}, "bool.minimum_should_match", "not True"),
    (
        {"bool": {"should": [TERM, TERM], "minimum_should_match": 3}},
        "bool.minimum_should_match",
        "asks for 3 clauses of should, which has 2: no row could match",
    ),
    ({"bool": {"must": TERM, "minimum_should_match": 1}}, "bool.minimum_should_match", "which has 0"),
    ({"term": {"a": {"value": None}}}, "term.a.value", "not null"),
    ({"term": {"a": "\ud800"}}, "term.a", "is not Unicode text, as it holds half of a surrogate pair"),
    ({"terms": {"a": ["b", "\udfff"]}}, "terms.a[1]", "is not Unicode text"),
    ({"ids": {"values": ["\ud800"]}}, "ids.values[0]", "is not Unicode text"),
    ({"match": {"a": "b\ud800"}}, "match.a", "is not Unicode text"),
    ({"range": {"a": {"gte": "\ud800"}}}, "range.a.gte", "is not Unicode text"),
    ({"term": {"a": {"value": "b", "_name": "\ud800"}}}, "term.a._name", "is not Unicode text"),
    ({"term": {"a\ud800": "b"}}, "term", "must name a field, not 'a\\ud800'"),
    ({"exists": {"field": "\ud800"}}, "exists", 'must be {"field": "NAME"}'),
    ({"term": {"a": float("nan")}}, "term.a", "nan is no number that JSON has"),
    ({"match": {"a": float("inf")}}, "match.a", "inf is no number that JSON has"),
    ({"term": {"a": 1 << 10_000}}, "term.a", "is a whole number of 10,001 bits"),
    ({"term": {"a": {"value": 1, "boost": 1 << 10_000}}}, "term.a.boost", "is a whole number of 10,001 bits"),
    ({"term": {"a": {"boost": 2}}}, "term.a", 'must have "value"'),
    ({"match": {"a": None}}, "match.a", "not null"),
    ({"match": {"a": {"operator": "and"}}}, "match.a", 'must have "query"'),
    ({"range": {}}, "range", "one key"),
    ({"range": {"a": 1}}, "range.a", "must be an object"),
    ({"range": {"a": {"gte": [1]}}}, "range.a.gte", "not list"),
    ({"terms": {}}, "terms", "one key"),
    ({"terms": {"a": ["b", None]}}, "terms.a[1]", "not null"),
    ({"exists": {}}, "exists", "must be"),
    ({"exists": {"field": None}}, "exists", "must be"),
    ({"bool": {"must_not": [{"term": {"a": None}}]}}, "bool.must_not[0].term.a", "not null"),
]


@pytest.mark.parametrize(("query", "path", "reason"), NOT_ALLOWED, ids=[str(each[0])[:60] for each in NOT_ALLOWED])
def test_what_is_not_allowed_is_refused_with_its_path(query: Any, path: str, reason: str) -> None:
    with pytest.raises(FilterError) as raised:
        check_filter(query)
    assert raised.value.path == path
    assert reason in raised.value.reason
    assert (path or "its top") in str(raised.value)


@pytest.mark.parametrize("query", [None, "term", 1, [TERM], True])
def test_a_filter_is_an_object(query: Any) -> None:
    with pytest.raises(FilterError, match="must be an object"):
        check_filter(query)


@pytest.mark.parametrize("text", ["", "{", "term", "{'term': 1}", '{"a": NaN}'])
def test_what_is_not_json_is_refused(text: str) -> None:
    with pytest.raises(FilterError, match="not JSON"):
        parse_filter(text)


def nested(depth: int) -> dict[str, Any]:
    query: dict[str, Any] = TERM
    for _ in range(depth - 1):
        query = {"bool": {"filter": [query]}}
    return query


def test_depth_is_bounded() -> None:
    check_filter(nested(MAX_DEPTH))
    with pytest.raises(FilterError, match=f"more than {MAX_DEPTH} deep"):
        check_filter(nested(MAX_DEPTH + 1))
    with pytest.raises(FilterError):
        parse_filter('{"bool":{"filter":' * 5000 + "{}" + "}}" * 5000)


def test_clauses_are_bounded() -> None:
    check_filter({"bool": {"should": [TERM] * MAX_CLAUSES}})
    with pytest.raises(FilterError, match=f"{MAX_CLAUSES + 1} clauses"):
        check_filter({"bool": {"should": [TERM] * MAX_CLAUSES, "must": TERM}})


def test_terms_up_to_the_bound() -> None:
    check_filter({"terms": {"a": list(range(MAX_TERMS))}})
    check_filter({"ids": {"values": ["a"] * MAX_TERMS}})
