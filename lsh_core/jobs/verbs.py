"""Register of verbs: commands of ``airlsh`` and single-task DAGs are made from it.

A row names its function and its renderer as ``module:attribute``, so that the register imports no job: ``airlsh
--help`` and the parser of DAG files read it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from importlib import import_module
from typing import Any

from lsh_core.settings import (
    AbandonSettings,
    DeleteSettings,
    EvaluateSettings,
    FeaturesSettings,
    IndexSettings,
    ListDeadLettersSettings,
    ListSettings,
    PromoteSettings,
    RefreshSettings,
    ReplaySettings,
    ReportSettings,
    RetireSettings,
    RollbackSettings,
    SearchSettings,
    Settings,
    ShowBuildSettings,
    ShowModelSettings,
    TrainSettings,
    UpsertSettings,
)


class Needs(Enum):
    """Services that a verb works with."""

    ELASTICSEARCH = "Elasticsearch"
    ELASTICSEARCH_AND_DASK = "Elasticsearch and Dask"
    DASK = "Dask"


@dataclass(frozen=True, kw_only=True)
class DagOffer:
    """The single-task DAG of a verb; its form is made from the settings of the verb.

    Attributes
    ----------
    dag_id, task_id
        Names of the DAG and of its task.
    tags
        Tags beside ``airlsh``.
    main
        Fields of the form outside the section "Advanced", in this order.
    function
        ``module:attribute`` of the job, if the DAG calls another job than the command.
    partition
        The field that the partition key of a run fills in.
    max_active_runs
        Runs of the DAG at the same time.
    """

    dag_id: str
    task_id: str
    tags: tuple[str, ...]
    main: tuple[str, ...]
    function: str | None = None
    partition: str | None = None
    max_active_runs: int = 1


@dataclass(frozen=True, kw_only=True)
class Verb:
    """Verb: a function from settings and services to a result, with its entry points.

    Attributes
    ----------
    name
        Words of the command, such as ``builds promote``.
    settings
        Model from which options and form are made.
    function
        ``module:attribute`` of the job, called with the settings and the services; for a verb that needs Dask alone,
        with the settings and the address of the scheduler. None: the verb has only its command.
    summary, details
        Help: one line, and the text after it in the help of the command.
    needs
        Services that the job works with.
    lines
        ``module:attribute`` of the renderer, a function from the result to lines of text. Without one, the command
        prints JSON.
    if_empty
        Note on standard error where the renderer has no lines.
    takes_fields
        The job takes the values of the settings as keyword arguments, in place of the model.
    command
        ``module:attribute`` of a command written by hand, for a verb that does more than call its function.
    command_arguments
        Keyword arguments that the command alone gives to the job.
    dag
        The single-task DAG, where one is offered.
    """

    name: str
    settings: type[Settings]
    summary: str
    function: str | None = None
    details: str = ""
    needs: Needs = Needs.ELASTICSEARCH
    lines: str | None = None
    if_empty: str = ""
    takes_fields: bool = False
    command: str | None = None
    command_arguments: Mapping[str, Any] = field(default_factory=dict)
    dag: DagOffer | None = None

    @property
    def help(self) -> str:
        """Summary and details."""
        return f"{self.summary}\n\n{self.details}" if self.details else self.summary

    def job(self, *, of_dag: bool = False) -> Callable[..., Any]:
        """Return the function that the command calls, or the DAG.

        A verb with a command alone has none: ``TypeError``.
        """
        function = (self.dag.function if of_dag and self.dag is not None else None) or self.function
        if function is None:
            raise TypeError(f"the verb {self.name} has no function, only a command")
        job: Callable[..., Any] = load(function)
        return job

    def call(self, settings: Settings, services: Any, **arguments: Any) -> Any:
        """Call the job, and return its result."""
        if not self.takes_fields:
            return self.job()(settings, services, **arguments)
        values = {name: getattr(settings, name) for name in type(settings).model_fields}
        return self.job()(**values, services=services, **arguments)

    def result_lines(self, result: Any) -> Iterable[str]:
        """Return the lines of a result; empty for a verb without a renderer."""
        return () if self.lines is None else load(self.lines)(result)


def load(dotted: str) -> Any:
    """Return the module attribute that ``module:attribute`` names."""
    module, _, attribute = dotted.partition(":")
    return getattr(import_module(module), attribute)


VERBS = (
    Verb(
        name="features",
        settings=FeaturesSettings,
        function="lsh_core.jobs.features:compute_features",
        summary="Encode texts or images into Parquet embeddings.",
        details="Needs no Elasticsearch. A repeated run resumes: it encodes only the rows that it has not encoded.\n\n"
        "--encoder also takes MODULE:FACTORY, to try an encoder of your own without packaging it. The Dask workers "
        "must be able to import MODULE: install it there, or put its folder on their PYTHONPATH. The current folder "
        "is not on it. To search with such an encoder, register it under the entry point airlsh.encoders.",
        needs=Needs.DASK,
        lines="lsh_core.features.report_lines:report_lines",
        command_arguments={"trusted": True},
        dag=DagOffer(
            dag_id="compute_features",
            task_id="encode",
            tags=("features",),
            main=("source", "text", "image", "encoder", "output"),
        ),
    ),
    Verb(
        name="train",
        settings=TrainSettings,
        function="lsh_core.jobs.train:train",
        summary="Train a model on a sample of the source.",
        details="Stores the model under NAME. `airlsh index` takes the newest model of its NAME.",
        needs=Needs.ELASTICSEARCH_AND_DASK,
        lines="lsh_core.jobs.report_lines:trained",
        dag=DagOffer(
            dag_id="train_lsh_model",
            task_id="train",
            tags=("model",),
            main=("name", "source", "vector", "metric", "model"),
        ),
    ),
    Verb(
        name="index",
        settings=IndexSettings,
        function="lsh_core.jobs.index:index",
        summary="Load the source into a new build, verify it, and promote it.",
        details="The live build of NAME answers queries until the new build is verified. A run that fails leaves it "
        "as it is; --resume finishes the failed build.",
        needs=Needs.ELASTICSEARCH_AND_DASK,
        lines="lsh_core.jobs.index_report_lines:report_lines",
        command="lsh_core.cli.index_command:index",
    ),
    Verb(
        name="search",
        settings=SearchSettings,
        summary="Find the nearest neighbours of rows, vectors, texts or images.",
        details="Give one target: --id, --vector, --vectors, --text or --image. --match adds words, which rank rows "
        "that contain them higher.",
        command="lsh_core.cli.search_command:search",
    ),
    Verb(
        name="evaluate",
        settings=EvaluateSettings,
        function="lsh_core.jobs.evaluate:evaluate",
        summary="Measure recall and latency of the live build by effort.",
        details="Compares its answers with the true neighbours, which a scan of all rows finds.",
        lines="lsh_core.evaluation.report_lines:report_lines",
        dag=DagOffer(
            dag_id="evaluate_index",
            task_id="evaluate",
            tags=("recall",),
            main=("name", "queries", "k"),
        ),
    ),
    Verb(
        name="upsert",
        settings=UpsertSettings,
        function="lsh_core.jobs.changes:upsert",
        summary="Insert or replace rows in the live build.",
        details="Later builds of NAME get the rows as well.",
        lines="lsh_core.jobs.report_lines:upserted",
    ),
    Verb(
        name="delete",
        settings=DeleteSettings,
        function="lsh_core.jobs.changes:delete",
        summary="Delete documents from the live build by id.",
        details="Later builds of NAME lose the documents as well.",
        lines="lsh_core.jobs.report_lines:deleted",
    ),
    Verb(
        name="refresh",
        settings=RefreshSettings,
        function="lsh_core.jobs.refresh:refresh",
        summary="Make one partition of the live build equal to its source.",
        details="Upserts the rows of the partition, and deletes its documents that are no longer in the source. "
        "Safe to repeat and to kill: each version of the files is applied once.",
        lines="lsh_core.jobs.report_lines:refreshed",
        dag=DagOffer(
            dag_id="refresh_partition",
            task_id="refresh",
            tags=("index",),
            main=("name", "source", "partition"),
            partition="partition",
            max_active_runs=4,
        ),
    ),
    Verb(
        name="models list",
        settings=ListSettings,
        function="lsh_core.jobs.models:list_models",
        summary="List models, newest first.",
        lines="lsh_core.jobs.report_lines:models",
        if_empty="no models: airlsh train NAME --source ...",
        takes_fields=True,
    ),
    Verb(
        name="models show",
        settings=ShowModelSettings,
        function="lsh_core.jobs.models:show_model",
        summary="Show the record of one model as JSON.",
        details="MODEL_ID is an id, or a name: then the newest model of this name is shown.",
        takes_fields=True,
    ),
    Verb(
        name="builds list",
        settings=ListSettings,
        function="lsh_core.jobs.builds:list_builds",
        summary="List builds, newest first.",
        lines="lsh_core.jobs.report_lines:builds",
        if_empty="no builds: airlsh index NAME --source ...",
        takes_fields=True,
    ),
    Verb(
        name="builds show",
        settings=ShowBuildSettings,
        function="lsh_core.jobs.builds:show_build",
        summary="Show the record of one build as JSON.",
        takes_fields=True,
    ),
    Verb(
        name="builds report",
        settings=ReportSettings,
        function="lsh_core.jobs.report:report",
        summary="Write the report of the last evaluation of a build.",
        lines="lsh_core.jobs.report_lines:report_written",
    ),
    Verb(
        name="builds promote",
        settings=PromoteSettings,
        function="lsh_core.jobs.builds:promote",
        summary="Move the alias to a verified build.",
        lines="lsh_core.jobs.report_lines:moved",
    ),
    Verb(
        name="builds rollback",
        settings=RollbackSettings,
        function="lsh_core.jobs.builds:rollback",
        summary="Move the alias back to an earlier build.",
        lines="lsh_core.jobs.report_lines:moved",
        dag=DagOffer(
            dag_id="rollback_index",
            task_id="rollback",
            tags=("builds",),
            main=("name", "build"),
        ),
    ),
    Verb(
        name="builds retire",
        settings=RetireSettings,
        function="lsh_core.jobs.retention:retire",
        summary="Delete old builds.",
        details="Keeps the live build, the newest verified builds, and builds that changed a short while ago. "
        "Models stay. Nothing deletes old builds on its own: run this command, or schedule the DAG retire_builds.",
        lines="lsh_core.jobs.report_lines:retired",
        dag=DagOffer(
            dag_id="retire_builds",
            task_id="retire",
            function="lsh_core.jobs.retention:retire_all",
            tags=("builds",),
            main=("name", "keep", "grace_seconds"),
        ),
    ),
    Verb(
        name="builds abandon",
        settings=AbandonSettings,
        function="lsh_core.jobs.retention:abandon",
        summary="Delete one build that is not live, and its records.",
        lines="lsh_core.jobs.report_lines:abandoned",
    ),
    Verb(
        name="dead-letters list",
        settings=ListDeadLettersSettings,
        function="lsh_core.jobs.dead_letters:list_dead_letters",
        summary="List the rejected rows of a build with their reasons.",
        lines="lsh_core.jobs.report_lines:dead_letters",
        if_empty="this build has no dead letters",
        takes_fields=True,
    ),
    Verb(
        name="dead-letters replay",
        settings=ReplaySettings,
        function="lsh_core.jobs.dead_letters:replay_dead_letters",
        summary="Load corrected rows in place of dead letters.",
        details="Verifies the build again afterwards.",
        lines="lsh_core.jobs.report_lines:replayed",
    ),
)
"""All verbs, in the order of ``airlsh --help``."""

GROUPS = {
    "models": "List and show trained models.",
    "builds": "List, promote, roll back and delete builds.",
    "dead-letters": "List rejected rows, and replay them once they are corrected.",
}
"""First words of verbs of two words, with the help of each."""


def verb(name: str) -> Verb:
    """Return the verb whose command is `name`; raise ``KeyError`` if there is none."""
    return {each.name: each for each in VERBS}[name]


def verb_of_dag(dag_id: str) -> tuple[Verb, DagOffer]:
    """Return the verb that the single-task DAG `dag_id` runs, and its offer.

    ``KeyError`` is raised if no verb offers `dag_id`.
    """
    return {each.dag.dag_id: (each, each.dag) for each in VERBS if each.dag is not None}[dag_id]
