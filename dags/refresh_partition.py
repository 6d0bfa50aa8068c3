"""Make one partition of an index what its source is, in what is live and in every later build.

Rows that are there are upserted, documents that left are deleted. A run may be repeated, and killed and repeated: for
the same files it happens once. A run that was started for a partition, by an asset or over REST, refreshes that one;
else the form says which.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, result, task

from lsh_airflow.forms import form
from lsh_airflow.job_tasks import run_job, with_partition_key
from lsh_airflow.retries import REPEATABLE
from lsh_core.settings import RefreshSettings


@dag(
    description="Refresh one partition of what is live.",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    max_active_runs=4,
    tags=["airlsh", "index"],
    default_args=REPEATABLE,
    params=form(RefreshSettings, main=("name", "source", "partition"), given_by_run=("partition",)),
)
def refresh_partition() -> None:
    @result
    @task
    def refresh(**context: Any) -> dict[str, Any]:
        """Check all rows, upsert them, delete what left the partition."""
        from lsh_core.jobs import refresh

        return run_job(refresh.refresh_partition, RefreshSettings, with_partition_key(context))

    refresh()


refresh_partition()
