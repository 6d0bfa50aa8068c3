"""Delete the builds of an index that are neither live nor among the newest.

A run fails if an index run of the name is at work, or if a build that is to be deleted cannot be: its log names it.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, result, task

from lsh_airflow.forms import form
from lsh_airflow.job_tasks import run_job
from lsh_airflow.retries import REPEATABLE
from lsh_core.settings import RetireSettings


@dag(
    description="Delete old builds of an index.",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    max_active_runs=1,
    tags=["airlsh", "builds"],
    default_args=REPEATABLE,
    params=form(RetireSettings, main=("name", "keep", "grace_seconds")),
)
def retire_builds() -> None:
    @result
    @task
    def retire(**context: Any) -> dict[str, Any]:
        """Keep the live build and the newest ones; never delete a model that a kept build uses."""
        from lsh_core.jobs import retention

        return run_job(retention.retire_all, RetireSettings, context)

    retire()


retire_builds()
