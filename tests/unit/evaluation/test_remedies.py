"""What is wrong by the figures of an evaluation, what helps, and how a log tells it."""

from __future__ import annotations

from typing import Any

import pytest

from lsh_core.evaluation.remedies import diagnose
from lsh_core.evaluation.report_lines import report_lines
from tests.fakes.evaluations import made_evaluation, made_health


def warned(**changes: Any) -> list[tuple[str, str]]:
    return [(warning.what, warning.remedy) for warning in diagnose(made_evaluation(**changes))]


def test_a_build_that_keeps_its_promise_is_not_warned_of() -> None:
    assert warned() == []
    assert warned(health=None) == []
    assert warned(target=None) == []


def test_a_target_is_missed_only_where_chance_does_not_explain_it() -> None:
    assert warned(recall=0.948, recall_low=0.944, target=0.95) == []
    ((what, remedy),) = warned(recall=0.94, recall_low=0.935, target=0.95)
    assert "0.940" in what
    assert "target of 0.95" in what
    assert "--probes 38" in remedy  # The first whose lower bound is enough.
    ((_, remedy),) = warned(recall=0.94, recall_low=0.935, target=0.999)
    assert "airlsh train packages --model ivf" in remedy


def test_a_scan_of_all_rows_is_warned() -> None:
    ((what, remedy),) = warned(effort=None)
    assert "scan all 10,000 rows" in what
    assert "--model ivf" in remedy
    assert warned(effort=None, rows=900) == []  # What so few rows cost is nothing.


@pytest.mark.parametrize(("changes", "told"), [
    ({"queries": 30}, "30 queries tell little"),
    ({"favours_own_rows": True}, "rows of the index"),
    ({"health": made_health()}, "2 lists hold 9 %"),
])  # fmt: skip
def test_what_makes_figures_doubtful(changes: dict[str, Any], told: str) -> None:
    ((what, remedy),) = warned(**changes)
    assert told in what
    assert remedy
    assert warned(**{**changes, "own_queries": True}) == ([] if changes.get("favours_own_rows") else [(what, remedy)])


def test_the_lines_for_a_log() -> None:
    lines = list(report_lines(made_evaluation(health=made_health())))
    assert lines[0] == "packages: build 20261121t000650-8ee64e, ivf, cosine, 10,000 rows"
    header = next(number for number, line in enumerate(lines) if line.strip().startswith("probes"))
    table = lines[header : header + 13]
    assert len({len(line) for line in table}) == 1
    assert [line for line in table if "*" in line] == [next(line for line in table if line.strip().startswith("24"))]
    assert any("24 probes (*); recall@1 0.9910, recall@10 0.9740" in line for line in lines)
    assert lines[-1] == "warning: 2 lists hold 9 % of the rows. Train with `--lists 1600`."
    assert any("a scan of all rows" in line for line in report_lines(made_evaluation(effort=None)))


def test_rows_that_were_written_meanwhile() -> None:
    ((what, remedy),) = warned(changes=1_234)
    assert "1,234 rows" in what
    assert "nobody writes" in remedy


def test_a_target_is_for_ten_neighbours() -> None:
    assert warned(k=10, recall=0.8, recall_low=0.79, target=0.95) != []
    assert warned(k=100, recall=0.8, recall_low=0.79, target=0.95) == []


def test_neighbours_that_scores_do_not_tell_apart() -> None:
    ((what, remedy),) = warned(blurred=0.4)
    assert "40%" in what
    assert "multiplied" in remedy
