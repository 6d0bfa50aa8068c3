"""Encode texts or images, train a model of their vectors, and index them.

Each step resumes where an earlier try stopped. Encoded rows are not encoded again. By default, a model of the same name
and encoder is reused. The vectors stay in the output folder, which must lie under a root that `AIRLSH_OUTPUT_ROOTS`
lists.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from airflow.sdk import dag, task

from lsh_airflow.forms import form
from lsh_airflow.index_stage import index_tasks
from lsh_airflow.job_tasks import run_dask_job, run_job
from lsh_airflow.retries import REPEATABLE
from lsh_core.settings import RawToIndexSettings


@dag(
    description="Encode texts or images, train, and index them as a verified build.",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    max_active_runs=1,
    tags=["airlsh", "features", "model", "index"],
    default_args=REPEATABLE,
    params=form(
        RawToIndexSettings,
        main=("name", "source", "id", "text", "image", "encoder", "weights", "output", "train", "promote"),
    ),
)
def raw_to_index() -> None:
    @task
    def encode(**context: Any) -> dict[str, Any]:
        """Encode every row that is not encoded yet, and publish the vectors."""
        from lsh_core.features.report_lines import report_lines
        from lsh_core.jobs import features

        return run_dask_job(
            lambda settings, dask: features.compute_features(settings.features(), dask),
            RawToIndexSettings,
            context,
            lines=report_lines,
        )

    @task
    def train(encoded: dict[str, Any], **context: Any) -> dict[str, Any]:
        """Fit a model on a sample of the vectors, or reuse the newest one."""
        from lsh_core.jobs.raw_to_index import train_or_reuse

        job = partial(train_or_reuse, fingerprint=encoded["fingerprint"])
        return run_job(job, RawToIndexSettings, context)

    index_tasks(RawToIndexSettings, trained=train(encode()))


raw_to_index()
