"""Index runs in DAGs of one's own: task groups, nested, twice and mapped, schedules, other default arguments."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, DagRunState, TaskGroup, TriggerRule, dag, task_group

from lsh_airflow.forms import form
from lsh_airflow.index_stage import index_tasks
from lsh_core.errors import SettingsError
from lsh_core.jobs import index
from lsh_core.settings import IndexSettings
from tests.dags.conftest import write_to_database
from tests.fakes.reports import FakeReport

NAMES = ("packages", "images", "songs", "books", "films", "games")


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, connections: None, airflow_database: None) -> dict[str, Any]:
    """Stages that pretend: per build its name, its leases' identities and its stages."""
    monkeypatch.setenv("AIRLSH_SOURCE_ROOTS", str(tmp_path))
    seen: dict[str, Any] = defaultdict(lambda: {"names": set(), "callers": set(), "stages": []})

    def pretend(name: str) -> Any:
        def stage(settings: IndexSettings, build: str, services: Any) -> FakeReport:
            seen[build]["names"].add(settings.name)
            seen[build]["callers"].add(services.caller.id)
            seen[build]["stages"].append(name)
            return FakeReport({})

        return stage

    for each in (*(stage.__name__ for stage in index.STAGES), "summarise", "require_outcome"):
        monkeypatch.setattr(index, each, pretend(each))
    return seen


def own_dag(tmp_path: Path) -> DAG:
    given = {name: {"name": name, "source": f"{tmp_path}/{{{{ params.file }}}}"} for name in NAMES}

    @dag(
        schedule="@daily",
        start_date=datetime(2026, 1, 1),
        params=form(IndexSettings, main=("name", "source"), defaults=given[NAMES[0]]) | {"file": "rows.parquet"},
        default_args={"retries": 7, "trigger_rule": TriggerRule.ALL_DONE, "retry_delay": timedelta(0)},
    )
    def nightly() -> None:
        with TaskGroup("one"):
            index_tasks(IndexSettings, given=given[NAMES[0]])
        with TaskGroup("outer"), TaskGroup("two", prefix_group_id=True):
            index_tasks(IndexSettings, given=given[NAMES[1]])
        index_tasks(IndexSettings, given=given[NAMES[2]])
        index_tasks(IndexSettings, given=given[NAMES[3]])

        @task_group
        def each(name: str) -> None:
            index_tasks(IndexSettings, given={**given[NAMES[4]], "name": name})

        each.expand(name=list(NAMES[4:]))

    made: DAG = nightly()
    return made


def test_index_runs_of_one_dag_have_builds_and_leases_of_their_own(runs: dict[str, Any], tmp_path: Path) -> None:
    made = own_dag(tmp_path)
    write_to_database(made, tmp_path)
    assert made.test().state == DagRunState.SUCCESS
    assert sorted(name for run in runs.values() for name in run["names"]) == sorted(NAMES)
    for run in runs.values():
        assert len(run["names"]) == len(run["callers"]) == 1
        ordered = [each.__name__ for each in index.STAGES]
        assert run["stages"] == [*ordered, "require_outcome", "summarise", "require_outcome"]
    assert len({identity for run in runs.values() for identity in run["callers"]}) == 6


def test_default_arguments_of_a_dag_do_not_undo_the_order_of_the_stages(tmp_path: Path, connections: None) -> None:
    made = own_dag(tmp_path)
    assert made.get_task("one.plan").trigger_rule == TriggerRule.ALL_SUCCESS
    assert made.get_task("one.plan").retries == 7
    assert made.get_task("one.plan").retry_policy is not None
    assert [leaf.task_id for leaf in made.task_group.children["one"].get_leaves()] == ["one.complete"]


def test_settings_that_nobody_gives_or_that_are_none_are_told_where_the_dag_is_made() -> None:
    with (
        DAG("scheduled", schedule="@daily"),
        pytest.raises(SettingsError, match="name, source=None: DAG scheduled has"),
    ):
        index_tasks(IndexSettings)
    with DAG("misspelt"), pytest.raises(SettingsError, match=r"given=\['nmae'\]: IndexSettings has no such fields"):
        index_tasks(IndexSettings, given={"nmae": "a"})
    with pytest.raises(SettingsError, match="index_tasks makes tasks of a DAG"):
        index_tasks(IndexSettings)
