from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from lsh_core.search.filter_counts import KEEP_SECONDS, FilterCountCache
from tests.fakes.bulk_cluster import FakeClock

WEB = {"term": {"section": "web"}}
OLD: Any = SimpleNamespace(index="old")
NEW: Any = SimpleNamespace(index="newer")


def test_a_filter_is_counted_once_and_again_after_a_while() -> None:
    asked: list[Any] = []
    clock = FakeClock()

    def count(_: Any, query_filter: Any) -> int:
        asked.append(query_filter)
        return len(asked)

    rows = FilterCountCache(count, clock=clock)
    assert [rows.passing(OLD, WEB), rows.passing(OLD, None), rows.passing(OLD, {"term": {"section": "web"}})] == [
        1,
        2,
        1,
    ]
    clock.sleep(KEEP_SECONDS)
    assert [rows.passing(OLD, WEB), rows.passing(OLD, WEB)] == [3, 3]
    assert asked == [WEB, None, WEB]


def test_a_count_belongs_to_its_build() -> None:
    rows = FilterCountCache(lambda build, _: len(build.index))
    assert [rows.passing(OLD, WEB), rows.passing(NEW, WEB)] == [3, 5]


def test_filters_without_end_are_not_all_remembered() -> None:
    rows = FilterCountCache(lambda _, query_filter: query_filter["number"] if query_filter else 0)
    for number in range(5_000):
        assert rows.passing(OLD, {"number": number}) == number
    assert len(rows._known) <= 1_000
