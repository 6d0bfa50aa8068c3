"""The stages of an index run as tasks, and the two that follow them in every DAG with an index run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import BaseOperator, TriggerRule, chain, result, task

from lsh_airflow.job_tasks import run_stage
from lsh_core.settings import IndexSettings, RawToIndexSettings

if TYPE_CHECKING:
    from airflow.sdk import Context, XComArg

_TERMINATED = 128 + 15
_TOLD = {
    "check": "Servers, source, columns and model, before anything is written.",
    "plan": "Cut the source into chunks that cover every row once.",
    "create": "Create the build's index, which nobody queries yet.",
    "load": "Hash and load every chunk on the Dask workers, round-robin over the nodes.",
    "settle": "Refresh and merge, and give the index the settings that it is queried with.",
    "verify": "Compare what the index holds with what was read, and measure its recall.",
    "promote": "Move the alias to the build, if the form says so.",
}


class IndexStageOperator(BaseOperator):
    """Calls the stage of ``lsh_core.jobs.index`` that its task is named after.

    The Dask job of a load outlives this process: a task that is tried again after its process died finds the
    job and goes on with it. A task that is ended on purpose, as by marking it or its run failed, cancels the job.

    Parameters
    ----------
    form
        The settings that the form of the DAG was made from.
    trained
        What the task that trained or took a model has returned, where the run has one.
    """

    template_fields = ("trained",)

    def __init__(
        self,
        *,
        form: type[IndexSettings] | type[RawToIndexSettings] = IndexSettings,
        trained: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.form = form
        self.trained = trained

    def execute(self, context: Context) -> dict[str, Any]:
        """Run the stage for the build of this DAG run, and return the small dict of what it found."""
        from lsh_core.jobs import index

        model_id = self.trained["model_id"] if self.trained else None
        return run_stage(getattr(index, self.task_id), context, self.form, model_id)

    def on_kill(self) -> NoReturn:
        """End the stage where it stands: it cancels its Dask job and closes the build's write gate on its way out."""
        # Airflow calls this on the main thread, in the middle of `execute`. Ended like this, a task that was not
        # marked failed, but lost its worker, is tried again.
        raise SystemExit(_TERMINATED)


def index_tasks(
    form: type[IndexSettings] | type[RawToIndexSettings], trained: XComArg | None = None
) -> IndexStageOperator:
    """Make the tasks of an index run, for a DAG whose form was made from `form`, and return the first of them.

    The stages follow each other; then `summarise` writes the report, and `complete` ends the run.

    Parameters
    ----------
    trained
        What the task before them returns of the model that it has trained or taken; default: the form's, or the newest.
    """

    @result
    @task(trigger_rule=TriggerRule.ALL_DONE_MIN_ONE_SUCCESS)
    def summarise(**context: Any) -> dict[str, Any]:
        """Write the report, of a failed run as well; not of one that was refused before it began."""
        from lsh_core.jobs import index

        return run_stage(index.summarise, context, form)

    # A task that runs whatever happened decides, as the last one, the state of the run: it would turn
    # a failed run green. This one only follows where everything before it succeeded.
    complete = EmptyOperator(task_id="complete", doc_md="Reached when every step succeeded.")

    stages = [
        # The first one writes down which model it is; from there the others know.
        IndexStageOperator(task_id=stage, doc_md=told, form=form, trained=None if place else trained)
        for place, (stage, told) in enumerate(_TOLD.items())
    ]
    summarised = summarise()
    chain(*stages)
    chain([stages[0], stages[-1]], summarised)
    chain([stages[-1], summarised], complete)
    return stages[0]
