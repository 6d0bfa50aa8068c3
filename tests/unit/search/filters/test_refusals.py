"""What the server says of a filter, as a sentence with the path; the reasons are those of Elasticsearch 9.5."""

from __future__ import annotations

from typing import Any

import pytest

from lsh_core.errors import FilterError
from lsh_core.search.filters.refusals import filter_refused, plain_reason

IN_BERLIN = {"range": {"day": {"gte": "2026", "time_zone": "Mars/X"}}}
OF_A_FORMAT = {"range": {"day": {"gte": "2026", "format": "dd.MM.yyyy"}}}

REFUSALS: list[tuple[dict[str, Any], str, str]] = [
    (
        IN_BERLIN,
        "java.time.zone.ZoneRulesException: Unknown time-zone ID: Mars/X: Unknown time-zone ID: Mars/X",
        "filter at range.day.time_zone: 'Mars/X' is no time zone of the server: give an offset such as +01:00, or a "
        "name such as Europe/Berlin, with its case",
    ),
    (
        {"bool": {"filter": [{"term": {"a": 1}}, IN_BERLIN]}},
        "java.time.DateTimeException: Invalid ID for region-based ZoneId, invalid format: Mars/X",
        "filter at bool.filter[1].range.day.time_zone: 'Mars/X' is no time zone",
    ),
    (
        OF_A_FORMAT,
        "failed to parse date field [2026] with format [dd.MM.yyyy]: [failed to parse date field [2026] with format "
        "[dd.MM.yyyy]]; all shards failed",
        "filter at range.day.gte: '2026' is not a date of the format dd.MM.yyyy",
    ),
    (
        {"range": {"day": {"gte": "2026", "format": "nope"}}},
        "Invalid format: [nope]: Unknown pattern letter: o",
        "filter at range.day.format: 'nope' is no format of dates (Unknown pattern letter): give a pattern such as",
    ),
    (
        {"match": {"title": {"query": "web", "analyzer": "nope"}}},
        "[match] analyzer [nope] not found; all shards failed",
        "filter at match.title.analyzer: 'nope' is no analyzer of the index: leave it out",
    ),
    (
        {"range": {"moment": {"gte": "now+300y"}}},
        "date[2326-11-29T10:14:16.055Z] is after 2262-04-11T23:47:16.854775807 and cannot be stored in nanosecond "
        "resolution; all shards failed",
        "filter at range.moment.gte: 'now+300y' is beyond a date_nanos",
    ),
    (
        {"terms": {"a": ["b", "c", "d"]}},
        "failed to create query: The number of terms [3] used in the Terms Query request has exceeded the allowed "
        "maximum of [2]. This maximum can be set by changing the [index.max_terms_count] index level setting.",
        "filter at terms.a: has 3 values; index.max_terms_count of the index is 2",
    ),
    (
        {"match": {"title": "w0 w1"}},
        "failed to create query: Query contains too many nested clauses; maxClauseCount is set to 32768",
        "filter at match.title: has more words than the server searches at once: shorten the text",
    ),
    (
        {"bool": {"should": [OF_A_FORMAT, OF_A_FORMAT]}},
        "failed to parse date field [2026] with format [dd.MM.yyyy]",
        "filter at its top: '2026' is not a date of the format dd.MM.yyyy",
    ),
]


@pytest.mark.parametrize(("query", "reason", "said"), REFUSALS, ids=[each[2][:60] for each in REFUSALS])
def test_a_refusal_is_a_sentence_about_the_clause(query: dict[str, Any], reason: str, said: str) -> None:
    error = filter_refused(query, reason)
    assert isinstance(error, FilterError)
    assert str(error).startswith(said)


def test_a_refusal_of_something_else_is_not_laid_to_the_filter() -> None:
    reason = "Result window is too large, from + size must be less than or equal to: [5] but was [10]"
    assert filter_refused(OF_A_FORMAT, reason) is None
    assert filter_refused({"exists": {"field": "a"}}, "Unknown time-zone ID: Mars/X") is None


def test_words_that_say_nothing_are_left_out() -> None:
    assert plain_reason('failed to create query: For input string: "x"; all shards failed') == 'For input string: "x"'
    assert plain_reason("java.time.DateTimeException: Invalid ID") == "Invalid ID"
