"""Options of filters: what the server refuses of them is refused before, and what it takes is not."""

from __future__ import annotations

from typing import Any

import pytest

from lsh_core.errors import FilterError
from lsh_core.search.filters.grammar import check_filter
from lsh_core.search.filters.options import check_option

TAKEN: dict[str, tuple[Any, ...]] = {
    "boost": (0, 1, 2.5, "2", 3.4e38),
    "_name": ("mine", 5, True, ""),
    "case_insensitive": (True, False, "true", "false"),
    "operator": ("and", "OR"),
    "zero_terms_query": ("none", "ALL"),
    "relation": ("intersects", "WITHIN", "contains"),
    "fuzziness": (0, 1, 2, "0", "2.0", 2.0, "AUTO", "auto", "AUTO:3,6", "auto:0,3", "AUTO:3,3"),
    "prefix_length": (0, 5, "1"),
    "max_expansions": (1, 50),
    "fuzzy_rewrite": ("constant_score", "scoring_boolean", "top_terms_5", "top_terms_boost_10"),
    "analyzer": ("standard",),
    "minimum_should_match": (0, -1, 5, "50%", "-50%", "2<50%", "3<-25% 9<-3"),
    "time_zone": (
        "Z",
        "UTC",
        "Europe/Berlin",
        "+01:00",
        "-18:00",
        "+1",
        "-01",
        "+0100",
        "+01:00:30",
        "GMT+2",
        "EST5EDT",
    ),
    "format": ("dd.MM.yyyy", "epoch_second", "dd.MM.yyyy||yyyy"),
}
REFUSED: dict[str, tuple[tuple[Any, ...], str]] = {
    "boost": ((-1, "-1", -0.0, 1e39, "1e39", "NaN", "x", "", True, "1_0", "٢"), "must be a number from 0 to 3.4e38"),
    "_name": (("airlsh.text",), "must be a name that does not start with airlsh."),
    "case_insensitive": (("x", 1, 0, "TRUE"), "must be true or false, not"),
    "fuzzy_transpositions": (("x", 1), "must be true or false"),
    "lenient": (("x", 0), "must be true or false"),
    "auto_generate_synonyms_phrase_query": (("x",), "must be true or false"),
    "operator": (("nope", 5, "", True), "must be and or or, not"),
    "zero_terms_query": (("nope", "null", 5, True), "must be none or all, not"),
    "relation": (("nope", "disjoint", 5, True, ""), "must be intersects or within or contains, not"),
    "fuzziness": ((3, -1, 1.5, "x", "", True, "AUTO:6,3", "AUTO:a,b", "AUTO:", "AUTO:-1,5"), "AUTO:LOW,HIGH"),
    "prefix_length": ((-1, "x", 1.5, True, 2**31), "must be a whole number, 0 or more, not"),
    "max_expansions": ((0, -1, "x", 2**31), "must be a whole number, 1 or more, not"),
    "fuzzy_rewrite": (("nope", 5, "", "top_terms_x", "top_terms_0", "top_terms_-1", "CONSTANT_SCORE"), "top_terms_N"),
    "analyzer": ((5, "", True), "must be the name of an analyzer"),
    "minimum_should_match": (
        ("x", "", 1.5, True, "1.5", "150%", 2**31, "99999999999%", "<5", "5%%", "٣"),
        "must be a number, a percentage up to 100%, or conditions such as 2<50%",
    ),
    "time_zone": (
        ("", 5, "+25:00", "+19:00", "-18:01", "+01:0", "+1:00", "UTC+19", "UTC+", "X", "Mars X"),
        "must be an offset from -18:00 to +18:00, or a name such as Europe/Berlin",
    ),
    "format": (("", 5, "||", "yyyy||"), "must be a format of dates such as dd.MM.yyyy or epoch_second"),
}


@pytest.mark.parametrize(("option", "value"), [(option, each) for option, values in TAKEN.items() for each in values])
def test_taken(option: str, value: Any) -> None:
    check_option(option, value, "here")


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [(option, each, said) for option, (values, said) in REFUSED.items() for each in values],
)
def test_refused_with_what_fits(option: str, value: Any, said: str) -> None:
    with pytest.raises(FilterError) as raised:
        check_option(option, value, f"match.a.{option}")
    assert raised.value.path == f"match.a.{option}"
    assert said in raised.value.reason


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ({"term": {"a": {"value": "b", "boost": -1}}}, "term.a.boost"),
        ({"range": {"a": {"gte": 1, "time_zone": "+25:00"}}}, "range.a.time_zone"),
        ({"match": {"a": {"query": "b", "fuzziness": 3}}}, "match.a.fuzziness"),
        ({"bool": {"should": [{"term": {"a": 1}}], "minimum_should_match": "150%"}}, "bool.minimum_should_match"),
    ],
)
def test_every_query_has_its_options_checked(query: dict[str, Any], path: str) -> None:
    with pytest.raises(FilterError) as raised:
        check_filter({"bool": {"must_not": query}})
    assert raised.value.path == f"bool.must_not[0].{path}"
