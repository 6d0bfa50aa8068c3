"""What every DAG here promises, before one of them runs."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from lsh_core.jobs.stages import order

DAG_IDS = {
    "compute_features",
    "raw_to_index",
    "train_lsh_model",
    "index_vectors",
    "refresh_partition",
    "evaluate_index",
    "rollback_index",
    "retire_builds",
}

STAGES = tuple(entry.name for entry in order.STAGES)


def test_the_folder_holds_these_dags_and_no_broken_file(dags: dict[str, Any]) -> None:
    assert set(dags) == DAG_IDS


@pytest.mark.parametrize("dag_id", sorted(DAG_IDS))
def test_a_dag_says_what_it_is_and_starts_only_when_asked(dags: dict[str, Any], dag_id: str) -> None:
    dag = dags[dag_id]
    assert dag.description
    assert dag.doc_md
    assert "airlsh" in dag.tags
    assert dag.max_active_runs == (4 if dag_id == "refresh_partition" else 1)
    assert dag.catchup is False
    assert not dag.timetable.can_be_scheduled
    assert all(task.doc_md for task in dag.tasks)


@pytest.mark.parametrize("dag_id", sorted(DAG_IDS))
def test_the_state_of_a_run_is_decided_by_a_task_that_knows(dags: dict[str, Any], dag_id: str) -> None:
    (leaf,) = dags[dag_id].leaves
    if leaf.task_id == "summarise":  # Marking a run failed skips no teardown; this one compares the facts.
        assert leaf.is_teardown
        assert leaf.on_failure_fail_dagrun
    else:
        assert leaf.trigger_rule == "all_success"
        assert leaf.upstream_task_ids == set()


@pytest.mark.parametrize(("dag_id", "first"), [("index_vectors", ()), ("raw_to_index", ("encode", "train"))])
def test_the_stages_follow_each_other(dags: dict[str, Any], dag_id: str, first: tuple[str, ...]) -> None:
    tasks = dags[dag_id].task_dict
    assert set(tasks) == {*first, *STAGES, "complete", "summarise"}
    for before, after in pairwise((*first, *STAGES, "complete", "summarise")):
        assert after in tasks[before].downstream_task_ids
    # It runs after each of them has ended, in runs whose later ones are skipped as well.
    assert tasks["summarise"].upstream_task_ids == {*first[-1:], *STAGES, "complete"}
    assert tasks["complete"].trigger_rule == "none_failed"


def test_a_build_is_verified_before_it_is_promoted() -> None:
    assert STAGES[0] == "check"
    assert STAGES[-2:] == ("verify", "promote")


def test_every_error_that_ends_the_retries_exists() -> None:
    from lsh_airflow.retries import FINAL_ERRORS
    from lsh_core import errors

    assert FINAL_ERRORS
    for dotted in FINAL_ERRORS:
        module, _, name = dotted.rpartition(".")
        assert module == errors.__name__
        assert issubclass(getattr(errors, name), errors.AirlshError)


def test_what_another_try_cannot_mend_is_not_tried_again() -> None:
    from airflow.sdk import ExceptionRetryPolicy, RetryAction

    from lsh_airflow.retries import REPEATABLE
    from lsh_core import errors

    policy = ExceptionRetryPolicy.deserialize(REPEATABLE["retry_policy"].serialize())
    for error, action in (
        (errors.SourceMissingError("a", "is not there"), RetryAction.FAIL),
        (errors.FeatureLimitError("out", 3, 0, ()), RetryAction.FAIL),
        (errors.ImagesAwayError("out", 3, 0, (), 3), RetryAction.DEFAULT),
        (errors.UnavailableError("index i", 30.0, "refused"), RetryAction.DEFAULT),
        (ZeroDivisionError(), RetryAction.DEFAULT),
    ):
        assert policy.evaluate(error, 1, 3).action == action, error
