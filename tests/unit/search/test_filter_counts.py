from __future__ import annotations

from typing import Any

from lsh_core.search.filter_counts import KEEP_SECONDS, FilterCountCache
from tests.fakes.bulk_cluster import FakeClock

WEB = {"term": {"section": "web"}}


def test_a_filter_is_counted_once_and_again_after_a_while() -> None:
    asked: list[Any] = []
    clock = FakeClock()

    def count(query_filter: Any) -> int:
        asked.append(query_filter)
        return len(asked)

    rows = FilterCountCache(count, clock=clock)
    assert [rows.passing(WEB), rows.passing(None), rows.passing({"term": {"section": "web"}})] == [1, 2, 1]
    clock.sleep(KEEP_SECONDS)
    assert [rows.passing(WEB), rows.passing(WEB)] == [3, 3]
    assert asked == [WEB, None, WEB]


def test_filters_without_end_are_not_all_remembered() -> None:
    rows = FilterCountCache(lambda query_filter: query_filter["number"] if query_filter else 0)
    for number in range(5_000):
        assert rows.passing({"number": number}) == number
    assert len(rows._known) <= 1_000
