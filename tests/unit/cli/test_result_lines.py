"""How results are printed."""

from __future__ import annotations

from typing import Any

from lsh_core.cli.result_lines import result_lines
from lsh_core.search.results import Neighbour, SearchResult


def result(strategy: Any, rows_scored: int | None, *neighbours: Neighbour) -> SearchResult:
    return SearchResult("airlsh-docs-b1", "b1", "docs-1", strategy, rows_scored, 3, neighbours)


NEAR = result("lists", 5_600, Neighbour(1, "a", 0.25, 0.8, {"title": "one  line\nand " + "x" * 90, "n": 3}))
BOTH = result("graph", None, Neighbour(1, "a", 0.25, 0.5387, {}, 14.99))


def test_lines() -> None:
    first, second, *rest = result_lines([NEAR, result("exact", 7)])
    assert first == "query 0 (1 neighbours, 5,600 rows scored by lists, build b1)"
    assert second == "    1      0.2500  a  one line and " + "x" * 46 + "…  3"
    assert rest == ["query 1 (0 neighbours, 7 rows scored exactly, build b1)"]


def test_lines_of_a_search_by_words_as_well() -> None:
    first, second = result_lines([BOTH])
    assert first == "query 0 (1 neighbours, by graph, build b1; score, distance, match score)"
    assert second.split() == ["1", "0.5387", "0.2500", "14.9900", "a"]
    assert next(result_lines([result("match", 0)])).startswith("query 0 (0 neighbours, by words alone")
