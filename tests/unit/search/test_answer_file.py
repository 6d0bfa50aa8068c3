"""Answers as a Parquet file that others read."""

from __future__ import annotations

from pathlib import Path

import duckdb
import fsspec
import pandas as pd
import pyarrow.parquet as pq
import pytest

from lsh_core.errors import SourceError
from lsh_core.search.answer_file import write_answers
from lsh_core.search.answers import Answer, Neighbour


def answer(*ids: str) -> Answer:
    neighbours = tuple(Neighbour(rank, each, 0.5, 0.5, {}) for rank, each in enumerate(ids, 1))
    return Answer("b", neighbours, "lists", len(ids))


def test_others_read_the_answers(tmp_path: Path) -> None:
    path = tmp_path / "answers" / "a.parquet"
    path.parent.mkdir()
    write_answers(str(path), [answer("x", "y", "z")])
    write_answers(str(path), [answer("a", "b"), answer("c")])
    expected = [(0, 1, "a"), (0, 2, "b"), (1, 1, "c")]
    for source in (path, path.parent):
        assert list(pd.read_parquet(source)[["query", "rank", "id"]].itertuples(index=False, name=None)) == expected
        assert pq.read_table(source)["id"].to_pylist() == ["a", "b", "c"]
    assert duckdb.sql(f"select query, rank, id from '{path}' order by all").fetchall() == expected
    assert [each.name for each in path.parent.iterdir()] == ["a.parquet"]


def test_answers_go_to_any_filesystem() -> None:
    write_answers("memory://answers/a.parquet", [answer("a")])
    with fsspec.open("memory://answers/a.parquet") as file:
        assert pq.read_table(file)["id"].to_pylist() == ["a"]


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    path = tmp_path / "gone" / "a.parquet"
    with pytest.raises(SourceError) as told:
        write_answers(str(path), [answer("a")])
    assert str(told.value) == f"{path}: cannot be written: [Errno 2] No such file or directory: '{path}'"


def test_a_folder_in_the_place_of_the_file_is_told_without_a_temporary_name(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as told:
        write_answers(str(tmp_path), [answer("a")])
    assert str(told.value) == f"{tmp_path}: cannot be written: [Errno 21] Is a directory: '{tmp_path}'"
