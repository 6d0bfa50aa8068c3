"""Refusals of values as they are told to who wrote the row; the reasons are those of Elasticsearch 9.5."""

from __future__ import annotations

import pytest

from lsh_core.live.value_refusals import plain_refusal


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        (
            "[1:9] failed to parse field [day] of type [date] in document with id 'z'. Preview of field's value: 'x': "
            "failed to parse date field [x] with format [strict_date_optional_time||epoch_millis]",
            "column 'day': 'x' does not fit its field of type date: give a value such as 2026-11-20 or "
            "2026-11-20T22:00:00Z",
        ),
        (
            "[1:344] failed to parse field [host] of type [ip] in document with id 'z'. Preview of field's value: '5': "
            "'5' is not an IP string literal.",
            "column 'host': '5' does not fit its field of type ip: give a value such as 10.0.0.1",
        ),
        (
            "[1:9] failed to parse field [n] of type [byte] in document with id 'z'. Preview of field's value: '300'",
            "column 'n': '300' does not fit its field of type byte",
        ),
        ("the index is read-only", "the index is read-only"),
    ],
)
def test_the_column_and_what_fits_are_named(reason: str, said: str) -> None:
    assert plain_refusal(reason) == said
