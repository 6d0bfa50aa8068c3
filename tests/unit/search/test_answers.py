from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest

from lsh_core.errors import SourceError
from lsh_core.retrieval.graph import GraphQuery
from lsh_core.search.answer_file import write_answers
from lsh_core.search.answers import Answer, HybridAnswer, HybridNeighbour
from lsh_core.search.answers import read_answer as read
from lsh_core.search.queries import Query

HITS = [
    {"_id": "a", "_score": 1.0, "_source": {"title": "A"}},
    {"_id": "b", "_score": 0.2, "_source": {"title": "B"}},
]

LISTS = Query({}, "lists")


def read_answer(
    hits: list[dict[str, Any]], metric: str, build: str, query: Query = LISTS, total: int | None = None
) -> Answer:
    matching = len(hits) if total is None else total
    return read({"hits": hits, "total": {"value": matching, "relation": "eq"}}, query, metric, build)


def test_hits_become_neighbours() -> None:
    answer = read_answer(HITS, "l2", "b1")
    assert answer.build == "b1"
    assert answer.ids == ["a", "b"]
    assert [neighbour.rank for neighbour in answer.neighbours] == [1, 2]
    assert [neighbour.distance for neighbour in answer.neighbours] == [0.0, 2.0]  # 1 / (1 + d²) = 0.2
    assert [neighbour.score for neighbour in answer.neighbours] == [1.0, 0.2]
    assert answer.neighbours[1].fields == {"title": "B"}


def test_cosine_distances() -> None:
    hits = [{"_id": str(score), "_score": score} for score in (1.0, 0.75, 0.0)]
    assert [neighbour.distance for neighbour in read_answer(hits, "cosine", "b").neighbours] == [0.0, 0.5, 2.0]


def test_dot_distances() -> None:
    """They are -x·q, negative for rows in the direction of the query; the server's scores are positive always."""
    hits = [{"_id": str(score), "_score": score} for score in (26.0, 1.0, 0.25)]
    assert [neighbour.distance for neighbour in read_answer(hits, "dot", "b").neighbours] == [-25.0, 0.0, 3.0]


def test_no_hits_no_neighbours() -> None:
    answer = read_answer([], "cosine", "b1")
    assert answer == Answer("b1", (), "lists", 0)
    assert answer.ids == []


@pytest.mark.parametrize(("most", "scored"), [(None, 500), (100, 100), (900, 500)])
def test_an_answer_says_how_it_was_found(most: int | None, scored: int) -> None:
    answer = read_answer(HITS, "l2", "b1", Query({}, "tables", most), total=500)
    assert (answer.path, answer.scored) == ("tables", scored)


def test_how_many_rows_a_graph_led_to_is_not_known() -> None:
    answer = read_answer(HITS, "l2", "b1", GraphQuery({}, "graph"), total=2)
    assert (answer.path, answer.scored) == ("graph", None)


def test_hits_without_fields() -> None:
    assert read_answer([{"_id": "a", "_score": 0.5}], "l2", "b").neighbours[0].fields == {}


def test_an_answer_is_json() -> None:
    answer = orjson.loads(orjson.dumps(read_answer(HITS, "l2", "b1").to_json()))
    assert (answer["build"], answer["path"], answer["scored"]) == ("b1", "lists", 2)
    assert answer["neighbours"][1] == {"rank": 2, "id": "b", "distance": 2.0, "score": 0.2, "fields": {"title": "B"}}


def test_answers_as_a_file(tmp_path: Path) -> None:
    path = tmp_path / "answers.parquet"
    write_answers(
        str(path), [read_answer(HITS, "l2", "b"), read_answer([], "l2", "b"), read_answer(HITS[1:], "l2", "b")]
    )
    table = pq.read_table(path)
    assert table.column_names == ["query", "rank", "id", "distance", "score"]
    assert [(row["query"], row["rank"], row["id"]) for row in table.to_pylist()] == [
        (0, 1, "a"),
        (0, 2, "b"),
        (2, 1, "b"),
    ]


def test_the_file_of_searches_by_text_as_well(tmp_path: Path) -> None:
    answers = [
        HybridAnswer("b", (HybridNeighbour(1, "a", 0.5, 0.7, {}, 3.5),), "lists", 1),
        HybridAnswer("b", (), "text", 0),
    ]
    write_answers(str(tmp_path / "hybrid.parquet"), answers)
    (row,) = pq.read_table(tmp_path / "hybrid.parquet").to_pylist()
    assert row == {"query": 0, "rank": 1, "id": "a", "distance": 0.5, "score": 0.7, "text_score": 3.5}


def test_no_answers_are_a_file_too(tmp_path: Path) -> None:
    write_answers(str(tmp_path / "none.parquet"), [])
    assert pq.read_table(tmp_path / "none.parquet").num_rows == 0


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be written"):
        write_answers(str(tmp_path / "gone" / "a.parquet"), [])
