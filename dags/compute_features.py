"""Turn texts or images into vectors, as Parquet files that `train_lsh_model` and `index_vectors` read.

The rows are encoded by Dask workers, on GPUs where there are any. What an earlier run has done is not done again, so a
retry goes on where the run stopped; the output's manifest is replaced as the last step. The output must lie under a
root that `AIRLSH_OUTPUT_ROOTS` lists.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, result, task

from lsh_airflow.forms import form
from lsh_airflow.job_tasks import run_dask_job
from lsh_airflow.retries import REPEATABLE
from lsh_core.settings import FeaturesSettings


@dag(
    description="Encode texts or images into Parquet embeddings.",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    max_active_runs=1,
    tags=["airlsh", "features"],
    default_args=REPEATABLE,
    params=form(
        FeaturesSettings,
        main=("source", "text", "image", "encoder", "output"),
        labels={
            "device": {
                "auto": "auto: the GPU where a worker has one",
                "cpu": "cpu: the processor",
                "gpu": "gpu: a GPU, or fail",
            },
            "precision": {
                "float32": "float32: full",
                "float16": "float16: mixed, for GPUs",
                "bfloat16": "bfloat16: mixed, for newer GPUs and processors",
            },
            "pixels": {
                "0..255": "0..255: as they are stored",
                "0..1": "0..1: divided by 255",
                "-1..1": "-1..1: divided by 127.5, less 1",
            },
        },
    ),
)
def compute_features() -> None:
    @result
    @task
    def encode(**context: Any) -> dict[str, Any]:
        """Encode every row, and publish the vectors."""
        from lsh_core.features.report_lines import report_lines
        from lsh_core.jobs import features

        return run_dask_job(features.compute_features, FeaturesSettings, context, lines=report_lines)

    encode()


compute_features()
