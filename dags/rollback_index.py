"""Move the alias of an index back to an earlier build, in one step that no reader notices."""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, result, task

from lsh_airflow.forms import form
from lsh_airflow.job_tasks import run_job
from lsh_airflow.retries import REPEATABLE
from lsh_core.settings import RollbackSettings


@dag(
    description="Move an index's alias back to an earlier build.",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    max_active_runs=1,
    tags=["airlsh", "builds"],
    # Once the alias has moved, "the build before" is another one: a repeated run finds the move it made.
    default_args=REPEATABLE,
    params=form(RollbackSettings, main=("name", "build")),
)
def rollback_index() -> None:
    @result
    @task
    def rollback(**context: Any) -> dict[str, Any]:
        """One compare-and-swap of the alias."""
        from lsh_core.jobs import builds

        return run_job(builds.rollback, RollbackSettings, context)

    rollback()


rollback_index()
