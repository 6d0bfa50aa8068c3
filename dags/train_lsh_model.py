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
from lsh_core.settings import TrainSettings


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
        labels={
            "metric": {
                "auto": "auto: as the encoder of the vectors says, else cosine",
                "l2": "l2: Euclidean distance",
                "cosine": "cosine: angle between vectors",
                "dot": "dot: largest inner product",
            },
            "model": {
                "ivf": "ivf: lists around k-means centres",
                "hyperplane": "hyperplane: hash tables",
                "subspace": "subspace: words of a product quantiser",
                "hnsw": "hnsw: the server's own graph",
            },
            "hash_backend": {
                "numpy": "numpy: on any worker",
                "tensorflow": "tensorflow: on workers that have it, on their GPU if there is one",
                "auto": "auto: tensorflow where the worker that trains has it and a GPU",
            },
        },
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
