"""The vector index: one request a search, blocks of sixteen, lazily, and closed once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from lsh_core.elastic.connection import Connection
from lsh_core.errors import ArgumentError, SettingsError, VectorError
from lsh_core.search.request import SearchRequest
from lsh_core.search.vector_index import VectorIndex

NOWHERE = Connection(("http://127.0.0.1:9",))
BUILD = SimpleNamespace(index="airlsh-docs-b1")


class Recorded:
    """Stands for the live index and the searcher of it: remembers blocks of requests, and answers with them."""

    def __init__(self) -> None:
        self.blocks: list[list[SearchRequest]] = []

    def run(self, search: Callable[[Any], list[Any]]) -> list[Any]:
        return search(BUILD)

    def search(self, build: Any, requests: Sequence[SearchRequest]) -> list[Any]:
        assert build is BUILD
        self.blocks.append(list(requests))
        return list(requests)


@pytest.fixture
def recorded() -> Recorded:
    return Recorded()


@pytest.fixture
def index(recorded: Recorded) -> Any:
    made: Any = VectorIndex("docs", NOWHERE)
    made._live, made._searcher = recorded, recorded
    return made


def test_arguments_become_one_request(index: Any, recorded: Recorded) -> None:
    index.search(id="a", match="web", match_weight=0.3, k=5, fields=["title"], probes=8)
    expected = SearchRequest(id="a", match="web", match_weight=0.3, k=5, fields=["title"], effort={"probes": 8})
    assert recorded.blocks == [[expected]]
    index.search(expected)
    assert recorded.blocks == [[expected]] * 2


def test_a_request_has_all_arguments_in_it(index: Any) -> None:
    request = SearchRequest(id="a")
    for given in ({"k": 5}, {"probes": 3}, {"fields": ()}, {"id": "b"}, {"exact": True}):
        for search in (index.search, lambda request, **given: index.search_many([request], **given)):
            with pytest.raises(ArgumentError, match="belongs into the SearchRequest"):
                search(request, **given)


def test_vectors_are_asked_for_sixteen_at_a_time_and_lazily(index: Any, recorded: Recorded) -> None:
    vectors = np.arange(80, dtype=np.float32).reshape(40, 2)
    found = index.search_many(vectors, k=3, probes=2)
    assert recorded.blocks == []
    next(found)
    assert [len(block) for block in recorded.blocks] == [16]
    rest = list(found)
    assert [len(block) for block in recorded.blocks] == [16, 16, 8]
    np.testing.assert_array_equal(np.stack([request.vector for request in rest]), vectors[1:])
    assert {(request.k, *request.effort.items()) for request in rest} == {(3, ("probes", 2))}


def test_a_vector_that_the_build_refuses_is_named_by_its_place_among_all(index: Any, recorded: Recorded) -> None:
    def search(build: Any, requests: Sequence[SearchRequest]) -> list[Any]:
        for row, request in enumerate(requests):
            if not np.any(request.vector):
                raise VectorError(row, "is zero")
        return list(requests)

    recorded.search = search  # type: ignore[method-assign]
    vectors = np.ones((40, 3))
    vectors[37] = 0
    results = index.search_many(vectors)
    assert len([next(results) for _ in range(32)]) == 32
    with pytest.raises(VectorError, match="vector 37 is zero"):
        next(results)


def test_requests_are_asked_for_sixteen_at_a_time(index: Any, recorded: Recorded) -> None:
    requests = [SearchRequest(id=f"r{number}", k=number + 1) for number in range(20)]
    assert list(index.search_many(requests)) == requests
    assert [len(block) for block in recorded.blocks] == [16, 4]
    with pytest.raises(ArgumentError, match="stands among requests"):
        index.search_many([*requests, [1.0, 2.0]])


def test_no_vectors_are_no_results(index: Any, recorded: Recorded) -> None:
    assert list(index.search_many(np.zeros((0, 3), np.float32))) == []
    assert recorded.blocks == []


def test_a_closed_index_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[tuple[str, ...]] = []
    monkeypatch.setattr(Connection, "close", lambda self: closed.append(self.urls))
    with VectorIndex("docs", NOWHERE) as shared:
        pass
    assert closed == []  # It belongs to the caller.
    with VectorIndex("docs", "http://127.0.0.1:9") as owner:
        pass
    assert closed == [("http://127.0.0.1:9",)]
    for call in (
        lambda: shared.build,
        lambda: shared.search([1.0]),
        lambda: owner.search_many([[1.0]]),
        lambda: owner.encode(text="a"),
        lambda: owner.upsert([]),
        lambda: owner.delete(["a"]),
    ):
        with pytest.raises(SettingsError, match="VectorIndex='docs': is closed: make another one"):
            call()
