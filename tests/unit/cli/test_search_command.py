"""The command `airlsh search` and its output file."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from lsh_core.cli import search_command
from lsh_core.cli.main import main
from lsh_core.search.results import Neighbour, SearchResult


def result(*ids: str) -> SearchResult:
    neighbours = tuple(Neighbour(rank, each, 0.5, 0.7, {}, None) for rank, each in enumerate(ids, 1))
    return SearchResult("airlsh-docs-b", "b", "docs-1", "lists", len(ids), 3, neighbours)


@pytest.mark.parametrize(
    ("results", "told"),
    [([result("a", "b")], "2 neighbours of 1 query"), ([result("a"), result()], "1 neighbour of 2 queries")],
)
def test_an_output_file_is_named_with_its_rows(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, results: list[SearchResult], told: str
) -> None:
    monkeypatch.setattr(search_command, "_results", lambda *_: results)
    path = tmp_path / "found.parquet"
    ended = CliRunner().invoke(
        main, ["search", "docs", "--id", "x", "--output", str(path), "--es", "http://127.0.0.1:9"]
    )
    assert (ended.exit_code, ended.stdout) == (0, f"{path}: {told}, as Parquet\n")
    assert pq.read_table(path).num_rows == sum(len(each.neighbours) for each in results)
