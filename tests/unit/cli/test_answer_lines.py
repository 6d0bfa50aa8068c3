"""How answers are printed."""

from __future__ import annotations

from lsh_core.cli.answer_lines import as_lines, as_rows
from lsh_core.search.answers import Answer, HybridAnswer, HybridNeighbour, Neighbour

NEAR = Answer("b1", (Neighbour(1, "a", 0.25, 0.8, {"title": "one  line\nand " + "x" * 90, "n": 3}),), "lists", 5_600)
BOTH = HybridAnswer("b1", (HybridNeighbour(1, "a", 0.25, 0.5387, {}, 14.99),), "graph", None)


def test_lines() -> None:
    first, second, *rest = as_lines([NEAR, Answer("b1", (), "exact", 7)])
    assert first == "query 0 (1 neighbours, 5,600 rows scored by lists, build b1)"
    assert second == "    1      0.2500  a  one line and " + "x" * 46 + "…  3"
    assert rest == ["query 1 (0 neighbours, 7 rows scored exactly, build b1)"]


def test_lines_of_a_search_by_text_as_well() -> None:
    first, second = as_lines([BOTH])
    assert first == "query 0 (1 neighbours, by graph, build b1; score, distance, text score)"
    assert second.split() == ["1", "0.5387", "0.2500", "14.9900", "a"]
    assert next(as_lines([HybridAnswer("b1", (), "text", 0)])).startswith("query 0 (0 neighbours, by text alone")


def test_rows() -> None:
    (near,), (both,) = as_rows([NEAR, BOTH])
    assert {**near, "fields": {}} == {
        "query": 0,
        "rank": 1,
        "id": "a",
        "distance": 0.25,
        "score": 0.8,
        "fields": {},
        "build": "b1",
        "path": "lists",
        "scored": 5_600,
    }
    assert (near["fields"]["n"], "text_score" in near) == (3, False)
    assert (both["query"], both["text_score"], both["score"]) == (1, 14.99, 0.5387)
