"""Single-task DAGs made from the register of verbs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DagRunState

from lsh_airflow.verb_dags import verb_dag
from lsh_core.errors import OutcomeError
from lsh_core.jobs import refresh, retention, verbs
from lsh_core.jobs.refresh import RefreshReport
from lsh_core.jobs.retention import RetireReport
from lsh_core.jobs.verbs import VERBS, DagOffer, Verb
from lsh_core.settings import ListSettings, RefreshSettings, RetireSettings
from tests.dags.conftest import PROJECT

OFFERS = {each.dag.dag_id: (each, each.dag) for each in VERBS if each.dag is not None}


def test_each_offered_dag_has_a_file_of_its_name(dags: dict[str, Any]) -> None:
    assert set(OFFERS) == {*dags} - {"index_vectors", "raw_to_index"}
    for dag_id, (verb, offer) in OFFERS.items():
        made = dags[dag_id]
        assert made.fileloc == str(PROJECT / "dags" / f"{dag_id}.py")
        assert list(made.task_dict) == [offer.task_id]
        assert made.description == verb.summary
        assert set(made.tags) == {"airlsh", *offer.tags}


def test_a_run_calls_the_job_of_the_dag_with_the_form_and_logs_its_lines(
    dags: dict[str, Any], connections: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[RetireSettings] = []

    def retire_all(settings: RetireSettings, services: object) -> RetireReport:
        seen.append(settings)
        return RetireReport(name=settings.name, retired=["b1"])

    monkeypatch.setattr(retention, "retire_all", retire_all)
    assert dags["retire_builds"].test(run_conf={"name": "docs", "keep": 3}).state == DagRunState.SUCCESS
    assert seen == [RetireSettings(name="docs", keep=3)]
    assert "retired 1 builds, kept 0" in caplog.text


def test_builds_that_are_left_fail_the_run(
    dags: dict[str, Any], connections: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def retire_all(settings: RetireSettings, services: object) -> dict[str, Any]:
        raise OutcomeError(settings.name, "build b1", "not retired")

    monkeypatch.setattr(retention, "retire_all", retire_all)
    assert dags["retire_builds"].test(run_conf={"name": "docs"}).state == DagRunState.FAILED


def test_the_partition_of_the_form_reaches_the_job(
    dags: dict[str, Any], connections: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: list[str] = []

    def refreshed(settings: RefreshSettings, services: object) -> RefreshReport:
        seen.append(settings.partition)
        return RefreshReport(
            name=settings.name,
            partition=settings.partition,
            build="b1",
            generation=1,
            rows=0,
            upserted=0,
            deleted=0,
            unchanged=True,
            seconds=0.0,
        )

    monkeypatch.setenv("AIRLSH_SOURCE_ROOTS", str(tmp_path))
    monkeypatch.setattr(refresh, "refresh", refreshed)
    conf = {"name": "docs", "source": str(tmp_path), "partition": "day=1"}
    assert dags["refresh_partition"].test(run_conf=conf).state == DagRunState.SUCCESS
    assert seen == ["day=1"]


def test_a_row_and_one_line_are_a_whole_dag(monkeypatch: pytest.MonkeyPatch) -> None:
    offer = DagOffer(dag_id="count_words", task_id="count", tags=("words",), main=("name",))
    row = Verb(name="count", settings=ListSettings, function="words:count", summary="Count words.", dag=offer)
    monkeypatch.setattr(verbs, "VERBS", (*VERBS, row))
    made = verb_dag("count_words", doc="Counts words.", file="/dags/count_words.py")
    assert (made.dag_id, made.doc_md, made.fileloc) == ("count_words", "Counts words.", "/dags/count_words.py")
    assert set(made.params) == {"name"}
    assert made.get_task("count").doc_md == "Count words."
    assert made.get_task("count").retries == 2
