"""The operator of one stage of an index run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import BaseOperator

from lsh_airflow.job_tasks import run_stage
from lsh_core.settings import IndexSettings, RawToIndexSettings

if TYPE_CHECKING:
    from airflow.sdk import Context

_TERMINATED = 128 + 15


class IndexStageOperator(BaseOperator):
    """Calls the stage of ``lsh_core.jobs.index`` that its task is named after.

    The Dask job of a load outlives this process: a task that is tried again after its process died finds the
    job and goes on with it. A task that is ended on purpose, as by marking it or its run failed, cancels the job.

    Parameters
    ----------
    form
        The settings that the form of the DAG was made from.
    """

    def __init__(self, *, form: type[IndexSettings] | type[RawToIndexSettings] = IndexSettings, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.form = form

    def execute(self, context: Context) -> dict[str, Any]:
        """Run the stage for the build of this DAG run, and return the small dict of what it found."""
        from lsh_core.jobs import index

        return run_stage(getattr(index, self.task_id.rpartition(".")[2]), context, self.form)

    def on_kill(self) -> NoReturn:
        """End the stage where it stands: it cancels its Dask job and closes the build's write gate on its way out."""
        # Airflow calls this on the main thread, in the middle of `execute`. Ended like this, a task that was not
        # marked failed, but lost its worker, is tried again.
        raise SystemExit(_TERMINATED)
