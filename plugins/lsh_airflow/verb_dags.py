"""Single-task DAGs made from the register of verbs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import dag, result, task

from lsh_airflow.forms import form
from lsh_airflow.job_tasks import run_dask_job, run_job, with_partition_key
from lsh_airflow.retries import REPEATABLE
from lsh_core.jobs.verbs import Needs, verb_of_dag

if TYPE_CHECKING:
    from airflow.sdk import DAG


def verb_dag(dag_id: str, *, doc: str | None, file: str) -> DAG:
    """Make the DAG `dag_id` from the verb that offers it.

    Parameters
    ----------
    doc
        Documentation of the DAG: the ``__doc__`` of its file.
    file
        File that Airflow parses again for the task: the ``__file__`` of the caller.
    """
    verb, offer = verb_of_dag(dag_id)

    @dag(
        dag_id=dag_id,
        description=verb.summary,
        doc_md=doc,
        schedule=None,
        catchup=False,
        max_active_runs=offer.max_active_runs,
        tags=["airlsh", *offer.tags],
        default_args=REPEATABLE,
        params=form(verb.settings, main=offer.main, given_by_run=() if offer.partition is None else (offer.partition,)),
    )
    def single_task() -> None:
        @result
        @task(task_id=offer.task_id, doc_md=verb.help)
        def call(**context: Any) -> dict[str, Any]:
            job = verb.job(of_dag=True)
            run = run_dask_job if verb.needs is Needs.DASK else run_job
            given = context if offer.partition is None else with_partition_key(context, offer.partition)
            return run(job, verb.settings, given, lines=verb.result_lines)

        call()

    made: DAG = single_task()
    made.fileloc = file
    return made
