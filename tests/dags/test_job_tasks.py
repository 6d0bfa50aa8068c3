"""Which build a task works on."""

from __future__ import annotations

import logging
from copy import copy
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from lsh_airflow.job_tasks import run_dask_job, run_job, run_stage, with_partition_key
from lsh_core.settings import EvaluateSettings, FeaturesSettings, IndexSettings, RefreshSettings
from tests.fakes.reports import FakeReport

STARTED = datetime(2026, 11, 20, 23, 0, tzinfo=UTC)


def build_of(source: Path, *, dag_id: str = "index_vectors", run_id: str = "manual__1", at: datetime = STARTED) -> str:
    """Return the build that a stage is called with."""

    def stage(settings: IndexSettings, build: str, services: object) -> FakeReport:
        return FakeReport({"build": build})

    run = SimpleNamespace(dag_id=dag_id, run_id=run_id, run_after=at, start_date=datetime.now(UTC))
    build: str = run_stage(stage, {"dag_run": run, "params": {"name": "docs", "source": str(source)}})["build"]
    return build


@pytest.fixture
def source(connections: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("AIRLSH_SOURCE_ROOTS", str(tmp_path))
    return tmp_path / "docs.parquet"


def test_a_run_that_is_tried_again_or_cleared_keeps_its_build(source: Path) -> None:
    assert build_of(source) == build_of(source)


def test_every_run_has_a_build_of_its_own(source: Path) -> None:
    others = [build_of(source, run_id="manual__2"), build_of(source, dag_id="nightly")]
    assert len({build_of(source), *others}) == 3


def partition_of(source: Path, *, key: str | None, typed: str | None) -> str:
    """Return the partition that a refresh is called with."""

    def job(settings: RefreshSettings, services: object) -> FakeReport:
        return FakeReport({"partition": settings.partition})

    params = {"name": "docs", "source": str(source), "partition": typed}
    context = {"dag_run": SimpleNamespace(dag_id="refresh_partition", run_id="1", partition_key=key), "params": params}
    partition: str = run_job(job, RefreshSettings, with_partition_key(context))["partition"]
    return partition


def test_the_partition_of_the_run_wins_over_the_form(source: Path) -> None:
    assert partition_of(source, key="day=2", typed="day=1") == "day=2"
    assert partition_of(source, key=None, typed="day=1") == "day=1"
    with pytest.raises(AirflowFailException, match="partition=None: must be given"):
        partition_of(source, key=None, typed=None)


def test_what_a_job_found_is_told_in_the_log(source: Path, caplog: pytest.LogCaptureFixture) -> None:
    def job(settings: EvaluateSettings, services: object) -> FakeReport:
        return FakeReport({"recall": 0.97})

    run = SimpleNamespace(dag_id="evaluate_index", run_id="1")
    context = {"dag_run": run, "params": {"name": "docs"}}
    with caplog.at_level(logging.INFO, "lsh_airflow.job_tasks"):
        run_job(job, EvaluateSettings, context)
        assert caplog.messages == []
        found = run_job(
            job, EvaluateSettings, context, lines=lambda result: ["a table", f"recall {result.document['recall']}"]
        )
    assert caplog.messages == ["a table", "recall 0.97"]
    assert found == {"recall": 0.97}


def test_a_run_that_names_a_place_to_write_to_is_refused(source: Path) -> None:
    def job(settings: EvaluateSettings, services: object) -> FakeReport:
        raise AssertionError("not to be called")

    with pytest.raises(AirflowFailException, match="output='/srv': a DAG writes no files"):
        run_job(job, EvaluateSettings, {"params": {"name": "docs", "output": "/srv"}})


def test_a_partition_outside_the_roots_is_refused(source: Path) -> None:
    with pytest.raises(AirflowFailException, match="outside the allowed places"):
        partition_of(Path("/elsewhere/docs.parquet"), key=None, typed="day=1")


def features_with(**params: Any) -> dict[str, Any]:
    """Return what a job that needs Dask alone is called with."""

    def job(settings: FeaturesSettings, dask: str) -> FakeReport:
        return FakeReport({"settings": settings, "dask": dask})

    return run_dask_job(job, FeaturesSettings, {"params": {"encoder": "text", "text": "title", **params}})


def test_features_are_written_where_it_is_allowed(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = source.parent
    monkeypatch.setenv("AIRLSH_OUTPUT_ROOTS", str(folder / "out"))
    given = {"source": str(source), "output": str(folder / "out" / "a")}
    called = features_with(**given)
    assert called["dask"] == "tcp://127.0.0.1:9"
    assert called["settings"].output == given["output"]
    for refused in (
        {"output": str(folder)},
        {"source": "/elsewhere/docs.parquet"},
        {"weights": "/elsewhere/model"},
        {"image_root": ["/elsewhere"]},
    ):
        with pytest.raises(AirflowFailException, match="outside the allowed places"):
            features_with(**given | refused)


def test_an_index_run_takes_the_model_that_the_task_before_it_has_trained(
    source: Path, dags: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AIRLSH_OUTPUT_ROOTS", str(tmp_path))
    monkeypatch.setattr(
        "lsh_core.jobs.index.check", lambda settings, build, services: FakeReport({"model": settings.model_id})
    )
    tasks = dags["raw_to_index"].task_dict
    check = copy(tasks["check"])
    assert check.trained.operator is tasks["train"]
    run = SimpleNamespace(dag_id="raw_to_index", run_id="1", run_after=STARTED)
    params = {"name": "docs", "source": str(source), "encoder": "text", "output": f"{tmp_path}/out"}
    context: Any = {"dag_run": run, "params": params, "ti": FakeXCom({"model_id": "docs-1", "reused": True})}
    check.render_template_fields(context)
    assert check.execute(context) == {"model": "docs-1"}
    plain = {"dag_run": run, "params": {"name": "docs", "source": str(source)}}
    assert dags["index_vectors"].task_dict["check"].execute(plain) == {"model": None}


class FakeXCom:
    """What a task instance gives of what other tasks returned."""

    def __init__(self, returned: Any) -> None:
        self.returned = returned

    def xcom_pull(self, **asked: Any) -> Any:
        assert asked["task_ids"] == "train"
        return self.returned
