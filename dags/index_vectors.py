"""Load Parquet embeddings into a new build of an index, verify it, and promote it.

The live build stays as it is until the new build is verified. A failed run leaves it alone. A retry, or a run that is
cleared, resumes the same build and sends only missing rows. If the task process of a load dies, the load keeps running
on Dask and the next try finds it. A load that is marked failed is cancelled. `complete` compares the build and the
alias with the form. `summarise` writes the report, of a failed run as well. The run succeeds only if that comparison
holds: not if a task was skipped or marked by hand.
"""

from __future__ import annotations

from airflow.sdk import dag

from lsh_airflow.forms import form
from lsh_airflow.index_stage import index_tasks
from lsh_airflow.retries import REPEATABLE
from lsh_core.settings import IndexSettings


@dag(
    description="Load Parquet embeddings into Elasticsearch as a verified build, and promote it.",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    max_active_runs=1,
    tags=["airlsh", "index"],
    default_args=REPEATABLE,
    params=form(IndexSettings, main=("name", "source", "id", "vector", "promote")),
)
def index_vectors() -> None:
    index_tasks(IndexSettings)


index_vectors()
