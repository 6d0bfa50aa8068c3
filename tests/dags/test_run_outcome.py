"""How a run of ``index_vectors`` ends when a stage fails: the wiring of its tasks, with jobs that only pretend."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DagRunState, TaskInstanceState
from airflow.sdk.exceptions import AirflowSkipException

from lsh_core.errors import OutcomeError, SchemaError, VerificationError
from lsh_core.jobs import index
from lsh_core.settings import IndexSettings
from tests.fakes.reports import FakeReport

Job = Callable[..., FakeReport]

STAGES = [*(stage.__name__ for stage in index.STAGES), "summarise"]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, connections: None) -> list[tuple[str, IndexSettings, str]]:
    """Stages that do nothing but say that they were called: ``(stage, settings, build)`` each."""
    monkeypatch.setenv("AIRLSH_SOURCE_ROOTS", str(tmp_path))
    seen: list[tuple[str, IndexSettings, str]] = []

    def pretend(name: str) -> Job:
        def stage(settings: IndexSettings, build: str, services: object) -> FakeReport:
            seen.append((name, settings, build))
            return FakeReport({"stage": name})

        return stage

    def require_outcome(settings: IndexSettings, build: str, services: object) -> FakeReport:
        if ("promote" if settings.promote else "verify") not in [stage for stage, _, of in seen if of == build]:
            raise OutcomeError(settings.name, f"build {build}", "is not live")
        return FakeReport({"live": build})

    for stage in STAGES:
        monkeypatch.setattr(index, stage, pretend(stage))
    monkeypatch.setattr(index, "require_outcome", require_outcome)
    return seen


def fail_with(error: Exception) -> Job:
    def stage(settings: IndexSettings, build: str, services: object) -> FakeReport:
        raise error

    return stage


def run(dags: dict[str, Any], folder: Path, **conf: Any) -> tuple[DagRunState, dict[str, str]]:
    """Run the DAG; return the state of the run, and of each task."""
    ended = dags["index_vectors"].test(run_conf={"name": "docs", "source": str(folder / "docs.parquet"), **conf})
    return ended.state, {task.task_id: task.state for task in ended.get_task_instances()}


def failed(tasks: dict[str, str]) -> set[str]:
    return {task for task, ended in tasks.items() if ended == TaskInstanceState.FAILED}


def test_every_stage_runs_once_in_order_with_one_build(dags: dict[str, Any], calls: list[Any], tmp_path: Path) -> None:
    state, tasks = run(dags, tmp_path, text_field=["title"], shards=None)
    assert state == DagRunState.SUCCESS
    assert set(tasks.values()) == {TaskInstanceState.SUCCESS}
    assert [stage for stage, _, _ in calls] == STAGES
    assert len({build for _, _, build in calls}) == 1
    wanted = IndexSettings(name="docs", source=str(tmp_path / "docs.parquet"), text_field=("title",))
    assert {settings for _, settings, _ in calls} == {wanted}


def test_a_stage_that_fails_for_good_fails_the_run_and_the_report_is_written(
    dags: dict[str, Any], calls: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "verify", fail_with(VerificationError("airlsh-docs-1", "documents", 10, 9)))
    state, tasks = run(dags, tmp_path)
    assert state == DagRunState.FAILED
    assert failed(tasks) == {"verify", "summarise"}
    assert tasks["promote"] == tasks["complete"] == TaskInstanceState.UPSTREAM_FAILED
    assert [stage for stage, _, _ in calls] == ["check", "plan", "create", "load", "finalize", "summarise"]


def test_a_report_that_cannot_be_written_fails_the_run(
    dags: dict[str, Any], calls: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "summarise", fail_with(VerificationError("airlsh-docs-1", "report", "one", "none")))
    state, tasks = run(dags, tmp_path)
    assert state == DagRunState.FAILED
    assert failed(tasks) == {"summarise"}


def test_a_run_that_is_refused_at_once_does_nothing_but_its_end(
    dags: dict[str, Any], calls: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "check", fail_with(SchemaError("docs.parquet", "embedding", "is missing")))
    state, tasks = run(dags, tmp_path)
    assert state == DagRunState.FAILED
    assert failed(tasks) == {"check", "summarise"}
    assert [stage for stage, _, _ in calls] == ["summarise"]


@pytest.mark.parametrize(
    ("conf", "sentence"),
    [
        ({"shard": 3}, "shard=3: is not a setting"),
        ({"name": "models"}, "name='models': is reserved"),
        ({"source": "/etc/passwd"}, "/etc/passwd"),
    ],
)
def test_bad_input_fails_the_first_task_with_one_sentence_and_no_retry(
    dags: dict[str, Any],
    calls: list[Any],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    conf: dict[str, Any],
    sentence: str,
) -> None:
    state, tasks = run(dags, tmp_path, **conf)
    assert state == DagRunState.FAILED
    assert failed(tasks) == {"check", "summarise"}
    assert any(sentence in record.getMessage() for record in caplog.records if record.levelname == "ERROR")
    assert calls == []


def test_a_stage_that_ends_without_having_done_its_work_does_not_make_a_success(
    dags: dict[str, Any],
    calls: list[Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(
        index, "promote", lambda settings, build, services: FakeReport()
    )  # As if marked a success by hand.
    state, tasks = run(dags, tmp_path)
    assert state == DagRunState.FAILED
    assert failed(tasks) == {"complete", "summarise"}
    assert "Every task before has succeeded, or was marked so" in caplog.text


def test_a_stage_that_was_skipped_is_named_with_what_to_clear(
    dags: dict[str, Any],
    calls: list[Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def skip(settings: IndexSettings, build: str, services: object) -> FakeReport:
        raise AirflowSkipException

    monkeypatch.setattr(index, "promote", skip)
    state, tasks = run(dags, tmp_path)
    assert state == DagRunState.FAILED
    assert failed(tasks) == {"complete", "summarise"}
    assert "In this run skipped: promote. To go on, clear promote with the option Downstream" in caplog.text


def test_a_run_that_is_not_to_promote_succeeds_without(dags: dict[str, Any], calls: list[Any], tmp_path: Path) -> None:
    assert run(dags, tmp_path, promote=False)[0] == DagRunState.SUCCESS
