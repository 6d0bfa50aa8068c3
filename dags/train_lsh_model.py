"""Train an LSH model on a sample of the source's vectors, and store it under the index's name.

The newest model of a name is what `index_vectors` uses unless it is told otherwise. The same seed and
the same source give the same model.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, result, task

from lsh_airflow.forms import form
from lsh_airflow.job_tasks import run_job
from lsh_airflow.retries import REPEATABLE
from lsh_core.settings import TrainSettings, train_labels


@dag(
    description="Train an LSH model on a sample of Parquet embeddings.",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    max_active_runs=1,
    tags=["airlsh", "model"],
    default_args=REPEATABLE,
    params=form(
        TrainSettings,
        main=("name", "source", "vector", "metric", "model"),
        labels=train_labels(),
    ),
)
def train_lsh_model() -> None:
    @result
    @task
    def train(**context: Any) -> dict[str, Any]:
        """Sample, fit, store: one model, with its fingerprint."""
        from lsh_core.jobs.train import train as job

        return run_job(job, TrainSettings, context)

    train()


train_lsh_model()
