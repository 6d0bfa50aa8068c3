"""Operators for the stages of an index run, and the tasks that follow them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import BaseOperator, TaskGroup, TriggerRule, chain
from airflow.sdk.definitions._internal.contextmanager import DagContext, TaskGroupContext

from lsh_airflow.job_tasks import Report, run_stage
from lsh_airflow.retries import REPEATABLE
from lsh_core.errors import OutcomeError, SettingsError
from lsh_core.jobs.stages.order import STAGES, SUMMARISE
from lsh_core.settings import IndexSettings, RawToIndexSettings

if TYPE_CHECKING:
    from airflow.sdk import DAG, Context, XComArg

IndexForm = type[IndexSettings] | type[RawToIndexSettings]

_TERMINATED = 128 + 15
_COMPLETE = "Compare the build and the alias with what the form asked for; what follows an index run follows this task."
_DONE = ("success", "removed")


class IndexStageOperator(BaseOperator):
    """Calls one stage of ``lsh_core.jobs.index`` for the build of its DAG run.

    The Dask job of a load outlives this process: a retry finds the job and waits for it. A task that is ended on
    purpose, as by marking it or its run failed, cancels the job.

    Parameters
    ----------
    stage
        Name of the stage; default: the last part of the task's id.
    form
        Settings model of the form of the DAG.
    given
        Settings of this index run that override the form, by field. A value may be a template or a task's output.
    trained
        Output of the task that trained or reused a model, where the run has one.
    index_run
        Name of the index run, where one DAG run has several. Each has a build of its own.
    own_params
        Params of the DAG that are not fields of the form; others are refused.
    """

    template_fields = ("given", "trained")

    def __init__(
        self,
        *,
        stage: str | None = None,
        form: IndexForm = IndexSettings,
        given: Mapping[str, Any] | None = None,
        trained: Any = None,
        index_run: str = "",
        own_params: frozenset[str] = frozenset(),
        **kwargs: Any,
    ) -> None:
        defaults = kwargs.get("default_args") or {}  # Default arguments of the DAG and the group take precedence.
        super().__init__(**{key: value for key, value in REPEATABLE.items() if key not in defaults} | kwargs)
        self.stage = stage or self.task_id.rpartition(".")[2]
        self.form = form
        self.given = given
        self.trained = trained
        self.index_run = index_run
        self.own_params = own_params

    def execute(self, context: Context) -> dict[str, Any]:
        """Run the stage for the build of this DAG run, and return its facts."""
        from lsh_core.jobs import index

        return self._run(getattr(index, self.stage), context)

    def on_kill(self) -> NoReturn:
        """Cancel the Dask job of the stage, and fence the writers of the build."""
        # Airflow calls this on the main thread, in the middle of `execute`. Ended like this, a task that was not
        # marked failed, but lost its worker, is tried again.
        raise SystemExit(_TERMINATED)

    def _run(self, stage: Callable[..., Report], context: Context) -> dict[str, Any]:
        return run_stage(
            stage,
            context,
            self.form,
            self.trained["model_id"] if self.trained else None,
            given=self.given,
            own_params=self.own_params,
            index_run=self.index_run,
        )


class IndexOutcomeOperator(IndexStageOperator):
    """Fails unless the build matches the form, for any results of earlier tasks.

    Skipped tasks, and tasks marked a success by hand, have done nothing. So only the build's record and the alias
    count.
    """

    def execute(self, context: Context) -> dict[str, Any]:
        """Compare the build with the form.

        `summarise` writes the report first, which stays readable if the comparison fails.
        """
        report = None
        if self.stage == SUMMARISE.name:
            report = self._summary(context)
            context["ti"].xcom_push("return_value", report)
        found = self._run(self._require_outcome(context), context)
        return found if report is None else report

    def _summary(self, context: Context) -> dict[str, Any]:
        from lsh_core.errors import NotFoundError
        from lsh_core.jobs import index
        from lsh_core.json_form import JsonForm

        def summary(*run: Any) -> Report:
            try:
                return index.summarise(*run)
            except NotFoundError:
                return JsonForm()  # The run was refused at its start: there is nothing to report.

        return self._run(summary, context)

    def _require_outcome(self, context: Context) -> Callable[..., Report]:
        from lsh_core.jobs import index

        def require_outcome(*run: Any) -> Report:
            try:
                return index.require_outcome(*run)
            except OutcomeError as error:
                raise error.with_note(_remedy(_states(self, context))) from None

        return require_outcome


def index_tasks(
    form: IndexForm, trained: XComArg | None = None, *, given: Mapping[str, Any] | None = None
) -> IndexStageOperator:
    """Make the tasks of an index run in the current DAG and task group.

    Returns the first task. The stages follow each other. `complete` runs if all succeeded: later tasks belong behind
    it. `summarise` writes the report and decides the state of the run. Each call is an index run with a build of its
    own. In a DAG with several index runs, give each its `given`, and a task group. The groups may be nested and mapped.

    Parameters
    ----------
    form
        Settings model. A DAG without a form of it gives the settings by `given`.
    trained
        Output of the task that trained or reused a model. Default: the model of the form, or the newest.
    given
        Settings of this index run that override the form, by field. A value may be a template or a task's output.

    Raises
    ------
    SettingsError
        The DAG has a schedule, and a setting without a default has no value.
    """
    dag = DagContext.get_current_dag()
    if dag is None:
        raise SettingsError("dag", None, "index_tasks makes tasks of a DAG: call it in the function or block of one")
    _require_values(form, dag, given or {})
    group = TaskGroupContext.get_current(dag)
    if group is not None and group.child_id("check") in dag.task_dict:
        with TaskGroup("index", add_suffix_on_collision=True):
            return _tasks(form, dag, trained, given)
    return _tasks(form, dag, trained, given)


def _tasks(form: IndexForm, dag: DAG, trained: XComArg | None, given: Mapping[str, Any] | None) -> IndexStageOperator:
    group = TaskGroupContext.get_current(dag)
    prefix = group.child_id("") if group is not None else ""
    same: dict[str, Any] = {
        "form": form,
        "given": None if given is None else dict(given),
        "own_params": frozenset(dag.params) - set(form.model_fields),
        "index_run": prefix.removesuffix("."),
    }
    stages = [
        # The first stage records the model for the others. Default arguments of a DAG must not let a stage begin after
        # a failed one; tasks before the first stage are up to the DAG.
        IndexStageOperator(
            task_id=entry.name,
            stage=entry.name,
            doc_md=entry.summary,
            **(same | ({"trained": trained} if not place else {"trigger_rule": TriggerRule.ALL_SUCCESS})),
        )
        for place, entry in enumerate(STAGES)
    ]
    complete = IndexOutcomeOperator(
        task_id="complete", stage="complete", doc_md=_COMPLETE, trigger_rule=TriggerRule.NONE_FAILED, **same
    )
    summarise = IndexOutcomeOperator(task_id=SUMMARISE.name, stage=SUMMARISE.name, doc_md=SUMMARISE.summary, **same)
    # Marking a run failed skips the tasks that have not begun, and a run whose last task is skipped is green once its
    # failed ones are cleared. A teardown is never skipped in this way, and runs after any earlier failure.
    summarise.as_teardown(on_failure_fail_dagrun=True)
    summarise.returns_dag_result = True
    chain(*stages, complete)
    chain([*([trained.operator] if trained is not None else []), *stages, complete], summarise)
    return stages[0]


def _require_values(form: IndexForm, dag: DAG, given: Mapping[str, Any]) -> None:
    """Raise `SettingsError` with a remedy if Airflow would refuse the DAG without one."""
    if unknown := set(given) - set(form.model_fields):
        raise SettingsError("given", sorted(unknown), f"{form.__name__} has no such fields")
    if not dag.schedule:
        return
    needed = {name for name, field in form.model_fields.items() if field.is_required()} - set(given)
    without = sorted(name for name in needed if name not in dag.params or not dag.params.get_param(name).has_value)
    if without:
        reason = f"DAG {dag.dag_id} has a schedule, and nobody fills in its form"
        remedy = "give defaults to form(), or given to index_tasks()"
        raise SettingsError(", ".join(without), None, f"{reason}: {remedy}")


def _states(outcome: BaseOperator, context: Context) -> dict[str, str | None]:
    """Return the states of the tasks before `outcome` in this run, in their order."""
    before = outcome.get_flat_relative_ids(upstream=True)
    ordered = [task.task_id for task in outcome.get_dag().topological_sort() if task.task_id in before]
    run, copy = context["dag_run"], context["ti"].map_index
    found = context["ti"].get_task_states(run.dag_id, task_ids=ordered, run_ids=[run.run_id]).get(run.run_id, {})
    return {task: found.get(f"{task}_{copy}", found.get(task)) for task in ordered}


def _remedy(states: Mapping[str, str | None]) -> str:
    """Return the task to clear, so that the run completes."""
    left: dict[str, list[str]] = {}
    for task, state in states.items():
        if state not in _DONE:
            left.setdefault(state or "not begun", []).append(task)
    if not left:
        return "Every task before has succeeded, or was marked so: start a new run, or promote the build by hand."
    seen = "; ".join(f"{state}: {', '.join(tasks)}" for state, tasks in left.items())
    first = next(task for task, state in states.items() if state not in _DONE)
    return f"In this run {seen}. To go on, clear {first} with the option Downstream, not only what failed."
