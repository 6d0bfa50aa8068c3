from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lsh_core.builds.node_load import NodeLoad
from lsh_core.builds.records import BuildState
from lsh_core.jobs.index_report import IndexReport
from lsh_core.jobs.index_report_lines import report_lines

REPORT = IndexReport(
    build="b1", index="airlsh-docs-b1", alias="docs", model_id="m", state=BuildState.VERIFIED, promoted=True
)
QUIET = NodeLoad(node="http://a", chunks=3, requests=4, rows=5_000)


def node_line(node: NodeLoad) -> str:
    report = replace(REPORT, nodes=[node], seconds={"load": 1.0})
    return next(line for line in report_lines(report) if line.startswith("  node"))


def test_rows_longer_than_the_sample_are_told_where_there_are_any() -> None:
    told = [[*report_lines(replace(REPORT, rows_beyond_norm=count))] for count in (0, None, 1_234)]
    assert not any("beyond" in line for lines in told[:2] for line in lines)
    assert any(line.startswith("  beyond     1,234 rows") for line in told[2])


def test_what_is_wrong_with_the_hash_is_told() -> None:
    warned = replace(REPORT, warnings=[{"what": "It rains.", "remedy": "Take a coat."}])
    assert "  warning    It rains. Take a coat." in [*report_lines(warned)]
    assert not any("warning" in line for line in report_lines(REPORT))


def test_columns_that_were_left_out_are_named() -> None:
    lines = [*report_lines(replace(REPORT, columns_left_out=["__index_level_0__"]))]
    assert "  left out   columns __index_level_0__: the index of a data frame" in lines
    assert not any("left out" in line for line in report_lines(REPORT))


def test_a_node_without_trouble_has_a_short_story() -> None:
    assert node_line(QUIET) == "  node       http://a: 3 chunks, 4 requests, 5,000 rows, 0 sent again"


@pytest.mark.parametrize(
    ("trouble", "told"),
    [
        ({"unreachable": 2, "away_seconds": 61.24}, "; 2 requests without an answer; away for 61.2 s"),
        ({"waited_for_primary": 1_200}, "; 1,200 rows waited for a primary shard"),
        ({"too_busy": 3, "blocked": 1}, "; too busy for 3 requests; 1 requests met a block on writes"),
    ],
)
def test_what_went_wrong_at_a_node_is_told(trouble: dict[str, Any], told: str) -> None:
    assert node_line(replace(QUIET, **trouble)).endswith("0 sent again" + told)
