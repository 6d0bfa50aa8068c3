"""Which queries are asked again with a larger effort, and that the figures are those of asking all."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from lsh_core.builds.id_hashes import hash_ids
from lsh_core.evaluation.ground_truth import GroundTruth
from lsh_core.evaluation.query_set import QuerySet
from lsh_core.evaluation.rising_recall import ALWAYS_ASKED, RisingRecall
from lsh_core.search.vector_index import VectorIndex
from tests.fakes.vector_fields import graph_field, list_field

QUERIES, K = 900, 10
NEEDED = np.random.default_rng(0).integers(1, 60, size=(QUERIES, K))
"""Effort from which each neighbour of each query is found."""


class Nested:
    """Finds the neighbours that an effort is enough for."""

    def __init__(self, field: Any, unit: str) -> None:
        self.build = SimpleNamespace(field=field, model=SimpleNamespace(effort_name=unit))
        self.unit = unit
        self.asked: list[int] = []

    def search_many(self, vectors: np.ndarray, *, k: int, fields: Any, **effort: float) -> list[Any]:
        self.asked += (numbers := vectors[:, 0].astype(int).tolist())
        return [self._found(number, effort[self.unit]) for number in numbers]

    def _found(self, number: int, effort: float) -> Any:
        ranks = np.flatnonzero(NEEDED[number] <= effort).tolist()
        neighbours = [SimpleNamespace(id=f"{number}-{rank}", distance=float(rank)) for rank in ranks]
        return SimpleNamespace(neighbours=neighbours, rows_scored=10 * effort + number % 7)


def rising(searcher: Nested, ids: tuple[str, ...] | None = None) -> RisingRecall:
    queries = QuerySet(np.arange(QUERIES, dtype=np.float32)[:, np.newaxis], ids)
    truth = GroundTruth(
        hash_ids([f"{number}-{rank}" for number in range(QUERIES) for rank in range(K)]).reshape(QUERIES, K, 2),
        np.tile(np.arange(K, dtype=np.float32), (QUERIES, 1)),
    )
    return RisingRecall(cast("VectorIndex", searcher), queries, truth)


@pytest.mark.parametrize(("field", "unit"), [(list_field(), "reach"), (graph_field(), "num_candidates")])
def test_the_recall_is_that_of_all_queries(field: Any, unit: str) -> None:
    recall = rising(Nested(field, unit))
    for effort, queries in ((30, 400), (50, 400), (40, None), (55, None), (45, None), (59, None)):
        point = recall.at(effort, queries)
        found = (NEEDED[: queries or QUERIES] <= effort).mean()
        assert (point.effort, point.queries) == (effort, queries or QUERIES)
        assert point.recall == pytest.approx(found, abs=1e-4)
        assert point.scored == pytest.approx(10 * effort + 3, abs=0.1)
    assert point.recall == 1.0
    assert point.recall_low < 1.0


def test_a_list_model_asks_again_only_what_missed_something() -> None:
    searcher = Nested(list_field(), "reach")
    recall = rising(searcher)
    recall.at(50)
    assert searcher.asked == list(range(QUERIES))
    searcher.asked.clear()
    recall.at(55)
    missed = set(np.flatnonzero((NEEDED > 50).any(axis=1)).tolist())
    assert set(searcher.asked) == missed | set(range(ALWAYS_ASKED))
    searcher.asked.clear()
    recall.at(45)  # A smaller effort may miss what a larger one found.
    assert searcher.asked == list(range(QUERIES))


def test_a_graph_is_asked_everything() -> None:
    searcher = Nested(graph_field(), "num_candidates")
    recall = rising(searcher)
    recall.at(50)
    recall.at(59)
    assert searcher.asked == 2 * list(range(QUERIES))


@pytest.mark.parametrize(
    ("field", "unit", "factor"), [(list_field(), "reach", 1), (graph_field(), "num_candidates", 2)]
)
def test_misses_of_indexed_rows_count_twice_for_a_graph(field: Any, unit: str, factor: int) -> None:
    own = tuple(f"row {number}" for number in range(QUERIES))
    misses = (NEEDED > 50).mean(axis=1)
    expected = 1 - np.minimum(1, factor * misses).mean()
    assert rising(Nested(field, unit), own).at(50).recall == pytest.approx(expected, abs=1e-4)
