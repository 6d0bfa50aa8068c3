"""Load Parquet embeddings into a new build of an index, verify it, and move the alias to it.

The live index stays as it is until the new build is proved complete; a run that fails leaves it alone.
A retry, or a run that is cleared, goes on with the same build and sends only what is not yet in it. A load
whose task process dies keeps running on Dask, and is found again; one that is marked failed is cancelled.
`complete` compares the build and the alias with what the form asked for; `summarise` writes the report, of a failed
run as well, and the run is a success only if that comparison holds: not if a task was skipped or marked by hand.
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
