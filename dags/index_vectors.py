"""Load Parquet embeddings into a new build of an index, verify it, and move the alias to it.

The live index stays as it is until the new build is proved complete; a run that fails leaves it alone.
A retry, or a run that is cleared, goes on with the same build and sends only what is not yet in it. A load
whose task process dies keeps running on Dask, and is found again; one that is marked failed is cancelled.
`summarise` writes the report of a failed run as well; `complete` ends the run, and is only reached when
every stage succeeded.
"""

from __future__ import annotations

from typing import Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import TriggerRule, chain, dag, result, task

from lsh_airflow.forms import form
from lsh_airflow.index_stage import index_stages
from lsh_airflow.job_tasks import run_stage
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
    stages = index_stages(IndexSettings)

    @result
    @task(trigger_rule=TriggerRule.ALL_DONE_MIN_ONE_SUCCESS)
    def summarise(**context: Any) -> dict[str, Any]:
        """Write the report, of a failed run as well; not of one that was refused before it began."""
        from lsh_core.jobs import index

        return run_stage(index.summarise, context)

    # A task that runs whatever happened decides, as the last one, the state of the run: it would turn
    # a failed run green. This one only follows where everything before it succeeded.
    complete = EmptyOperator(task_id="complete", doc_md="Reached when every stage succeeded.")

    summarised = summarise()
    chain(*stages)
    chain([stages[0], stages[-1]], summarised)
    chain([stages[-1], summarised], complete)


index_vectors()
