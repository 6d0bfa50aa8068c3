"""Results of verbs as lines of text."""

from __future__ import annotations

from typing import Any

from lsh_core.jobs import report_lines

BUILD = {"name": "docs", "build": "b1", "state": "verified", "live": True, "documents": 1_234, "model_id": "docs-1"}


def test_a_table_lines_up_under_its_header() -> None:
    lines = report_lines.table_lines(("name", "rows"), [("a-long-name", "1"), ("b", "1,000")], right=("rows",))
    assert list(lines) == ["name          rows", "a-long-name      1", "b            1,000"]
    assert list(report_lines.table_lines(("name",), [])) == []


def test_builds_are_a_table() -> None:
    failed = BUILD | {"build": "b2", "state": "failed", "live": False, "documents": None}
    assert list(report_lines.builds([BUILD, failed])) == [
        "name  build  state     live  documents  model",
        "docs  b1     verified  live      1,234  docs-1",
        "docs  b2     failed                  -  docs-1",
    ]


def test_models_are_a_table() -> None:
    model = {"model_id": "docs-1", "kind": "ivf", "metric": "l2", "dims": 8, "created_at": "2026-11-20"}
    assert list(report_lines.models([model]))[1] == "docs-1  ivf   l2         8  2026-11-20"


def test_an_alias_that_moved() -> None:
    moved: dict[str, Any] = {"alias": "docs", "was": None, "live": "airlsh-docs-b1"}
    assert list(report_lines.moved(moved)) == ["docs: nothing -> airlsh-docs-b1"]


def test_builds_that_were_retired_and_skipped() -> None:
    result = {"retired": ["b1"], "kept": ["b2", "b3"], "skipped": {"b4": "is live"}}
    assert list(report_lines.retired(result)) == ["retired 1 builds, kept 2", "  b1", "skipped b4: is live"]


def test_a_partition_that_did_not_change() -> None:
    result = {"name": "docs", "partition": "day=1", "upserted": 3, "deleted": 1, "build": "b1", "unchanged": False}
    (line,) = report_lines.refreshed(result)
    assert line == "docs, partition day=1: 3 documents written, 1 deleted, live in build b1"
    (line,) = report_lines.refreshed(result | {"unchanged": True})
    assert "nothing to do" in line
