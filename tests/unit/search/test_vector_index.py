"""Texts as queries while the alias moves to a build of another encoder: without a server."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from lsh_core.elastic.connection import Connection
from lsh_core.errors import ModelMismatchError, SettingsError
from lsh_core.search import vector_index
from lsh_core.search.vector_index import VectorIndex


def build(name: str) -> Any:
    return SimpleNamespace(meta=SimpleNamespace(build=name), field=SimpleNamespace(encoder={"fingerprint": name}))


class Moving:
    """Makes vectors that name the build that they are for; the alias moves while it makes the first."""

    def __init__(self) -> None:
        self.live, self.asked = build("old"), []

    def of_text(self, asked: Any, text: str) -> np.ndarray:
        self.asked.append(asked.meta.build)
        self.live = build("new")
        return np.array([len(asked.meta.build), len(text)], np.float32)


@pytest.fixture
def moving(monkeypatch: pytest.MonkeyPatch) -> Moving:
    encoder = Moving()
    monkeypatch.setattr(VectorIndex, "build", property(lambda _: encoder.live))
    return encoder


def index_of(encoder: Any) -> VectorIndex:
    return VectorIndex(Connection(("http://127.0.0.1:9",)), "docs", encoder=encoder)


def test_a_text_is_encoded_for_the_build_that_answers(moving: Moving, monkeypatch: pytest.MonkeyPatch) -> None:
    def answers(_: Any, vectors: np.ndarray, **__: Any) -> Iterator[Any]:
        yield SimpleNamespace(build=moving.live.meta.build, vectors=vectors.tolist())

    monkeypatch.setattr(VectorIndex, "search_many", answers)
    answer: Any = index_of(moving).search(text_query="four")
    assert moving.asked == ["old", "new"]
    assert (answer.build, answer.vectors) == ("new", [[3.0, 4.0]])


def test_vectors_of_another_length_are_made_again_if_the_alias_has_moved(
    moving: Moving, monkeypatch: pytest.MonkeyPatch
) -> None:
    moves = iter([True, False])

    def answers(_: Any, vectors: np.ndarray, **__: Any) -> Iterator[Any]:
        if next(moves):
            moving.live = build("newest")
            raise ModelMismatchError("vectors of 2 numbers", "1", "query")
        yield SimpleNamespace(build=moving.live.meta.build)

    monkeypatch.setattr(VectorIndex, "search_many", answers)
    moving.live = build("new")
    assert index_of(moving).search(text_query="four").build == "new"
    assert moving.asked == ["new", "newest", "new"]


def test_a_mismatch_of_the_build_that_was_encoded_for_is_the_caller_s(
    moving: Moving, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any, **__: Any) -> Iterator[Any]:
        raise ModelMismatchError("vectors of 2 numbers", "1", "query")

    monkeypatch.setattr(VectorIndex, "search_many", refused)
    moving.live = build("new")
    with pytest.raises(ModelMismatchError):
        index_of(moving).search(text_query="four")


def test_one_thing_is_asked_for() -> None:
    index = index_of(None)
    for given in ({}, {"vector": [1.0], "text_query": "a"}, {"text_query": "a", "image": b"b"}):
        with pytest.raises(SettingsError, match="one of a vector, a text_query and an image"):
            index.search(**given)


def test_exact_answers_check_each_vector_once(monkeypatch: pytest.MonkeyPatch) -> None:
    index = VectorIndex("http://127.0.0.1:9", "n")
    checked: list[np.ndarray] = []
    monkeypatch.setattr(vector_index, "check_vectors", lambda _, vectors: checked.append(vectors))
    monkeypatch.setattr(vector_index, "exact_query", lambda *_, **__: "query")
    monkeypatch.setattr(index._asker, "ask", lambda queries: queries(build("b")))
    vectors = np.arange(10, dtype=np.float32).reshape(5, 2)
    assert list(index.exact(vectors)) == ["query"] * 5
    np.testing.assert_array_equal(np.concatenate(checked), vectors)
