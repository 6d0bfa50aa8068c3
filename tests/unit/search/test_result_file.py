"""Results as a Parquet file that others read."""

from __future__ import annotations

from pathlib import Path

import duckdb
import fsspec
import pandas as pd
import pyarrow.parquet as pq
import pytest

from lsh_core.errors import SourceError
from lsh_core.search.result_file import write_results
from lsh_core.search.results import Neighbour, SearchResult


def result(*ids: str, match_score: float | None = None) -> SearchResult:
    neighbours = tuple(Neighbour(rank, each, 0.5, 0.7, {}, match_score) for rank, each in enumerate(ids, 1))
    return SearchResult("airlsh-docs-b", "b", "docs-1", "lists", len(ids), 3, neighbours)


def test_others_read_the_results(tmp_path: Path) -> None:
    path = tmp_path / "results" / "a.parquet"
    path.parent.mkdir()
    write_results(str(path), [result("x", "y", "z")])
    write_results(str(path), [result("a", "b"), result(), result("c")])
    expected = [(0, 1, "a"), (0, 2, "b"), (2, 1, "c")]
    for source in (path, path.parent):
        assert list(pd.read_parquet(source)[["query", "rank", "id"]].itertuples(index=False, name=None)) == expected
        assert pq.read_table(source)["id"].to_pylist() == ["a", "b", "c"]
    assert duckdb.sql(f"select query, rank, id from '{path}' order by all").fetchall() == expected
    assert [each.name for each in path.parent.iterdir()] == ["a.parquet"]
    assert pq.read_table(path).column_names == ["query", "rank", "id", "distance", "score"]


def test_the_scores_of_words_have_a_column(tmp_path: Path) -> None:
    path = str(tmp_path / "hybrid.parquet")
    write_results(path, [result("a", match_score=3.5), result()], matched=True)
    (row,) = pq.read_table(path).to_pylist()
    assert row == {"query": 0, "rank": 1, "id": "a", "distance": 0.5, "score": 0.7, "match_score": 3.5}
    write_results(path, [result()], matched=True)
    assert pq.read_table(path).column_names[-1] == "match_score"


def test_no_results_are_a_file_too(tmp_path: Path) -> None:
    write_results(str(tmp_path / "none.parquet"), [])
    assert pq.read_table(tmp_path / "none.parquet").num_rows == 0


def test_results_go_to_any_filesystem() -> None:
    write_results("memory://results/a.parquet", [result("a")])
    with fsspec.open("memory://results/a.parquet") as file:
        assert pq.read_table(file)["id"].to_pylist() == ["a"]


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    path = tmp_path / "gone" / "a.parquet"
    with pytest.raises(SourceError) as told:
        write_results(str(path), [result("a")])
    assert str(told.value) == f"{path}: cannot be written: [Errno 2] No such file or directory: '{path}'"


def test_a_folder_in_the_place_of_the_file_is_told_without_a_temporary_name(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as told:
        write_results(str(tmp_path), [result("a")])
    assert str(told.value) == f"{tmp_path}: cannot be written: [Errno 21] Is a directory: '{tmp_path}'"
