"""Measure what searches of an index find and how fast, by effort, against the true neighbours.

The queries are indexed rows, each left out of its own answer, or those of a file. The table is in the task's log; the
figures are kept with the build, and `airlsh builds report NAME --output DIR` draws the report of them.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, result, task

from lsh_airflow.forms import form
from lsh_airflow.job_tasks import run_job
from lsh_airflow.retries import REPEATABLE
from lsh_core.settings import EvaluateSettings


@dag(
    description="Measure the recall and the speed of what is live.",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    max_active_runs=1,
    tags=["airlsh", "recall"],
    default_args=REPEATABLE,
    params=form(EvaluateSettings, main=("name", "queries", "k")),
)
def evaluate_index() -> None:
    @result
    @task
    def evaluate(**context: Any) -> dict[str, Any]:
        """Find the true neighbours, then ask for them with rising effort."""
        from lsh_core.evaluation.report_lines import report_lines
        from lsh_core.jobs import evaluate

        return run_job(evaluate.evaluate, EvaluateSettings, context, lines=report_lines)

    evaluate()


evaluate_index()
