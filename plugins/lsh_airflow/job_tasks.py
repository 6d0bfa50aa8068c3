"""Calls jobs from tasks, with settings from params and small dicts as results."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from airflow.sdk.exceptions import AirflowFailException

from lsh_airflow.allowed_roots import check_image_root, check_output, check_source, check_weights
from lsh_airflow.forms import settings_from_params
from lsh_airflow.services import caller_id, dask_from_connection, services_from_connections
from lsh_core.errors import AirlshError, InputError
from lsh_core.settings import AnySettings, FeaturesSettings, IndexSettings, RawToIndexSettings
from lsh_core.signals import signals_as_exceptions

if TYPE_CHECKING:
    from lsh_core.jobs.services import Services

logger = logging.getLogger(__name__)


class Report(Protocol):
    """Result of a job."""

    def to_json(self) -> dict[str, Any]:
        """Return the result as plain JSON values."""


Reported = TypeVar("Reported", bound=Report)

# At Airflow's level INFO the client logs every request, which hides the useful lines.
_CHATTY_LOGGERS = ("elastic_transport",)

_READ = ("source", "queries")
"""Settings that name files to read."""


def run_job(
    job: Callable[[AnySettings, Services], Reported],
    model: type[AnySettings],
    context: Mapping[str, Any],
    *,
    lines: Callable[[Reported], Iterable[str]] | None = None,
) -> dict[str, Any]:
    """Call a job with the settings of this run.

    A task that is marked failed ends the job, which releases its leases first.

    Parameters
    ----------
    context
        The task's context: ``params`` holds the form and the run's ``conf``.
    lines
        Renderer of the result for the log of the task.

    Raises
    ------
    AirflowFailException
        The job raised an `InputError`: a retry cannot help, the form must change.
    """
    with _readable_log(), signals_as_exceptions():
        settings = _settings(model, context)
        return _logged(job(settings, services_from_connections(context, _task(context))), lines)


def run_dask_job(
    job: Callable[[AnySettings, str], Reported],
    model: type[AnySettings],
    context: Mapping[str, Any],
    *,
    lines: Callable[[Reported], Iterable[str]] | None = None,
) -> dict[str, Any]:
    """Call a job with the address of the Dask scheduler and without Elasticsearch; see `run_job`."""
    with _readable_log(), signals_as_exceptions():
        return _logged(job(_settings(model, context), dask_from_connection()), lines)


def run_stage(
    stage: Callable[[IndexSettings, str, Services], Report],
    context: Mapping[str, Any],
    model: type[IndexSettings] | type[RawToIndexSettings] = IndexSettings,
    model_id: str | None = None,
    *,
    given: Mapping[str, Any] | None = None,
    own_params: frozenset[str] = frozenset(),
    index_run: str = "",
) -> dict[str, Any]:
    """Call one stage of an index run; raises as `run_job` does.

    The id of the build is made from the run, so that a retry, or a run that was cleared, works on the same build.

    Parameters
    ----------
    model
        Settings of the form: those of an index run, or of all steps from raw rows on.
    model_id
        Model of a run from raw rows on.
    given
        Settings that override those of the form.
    own_params
        Params of the DAG that are not fields of the form.
    index_run
        Name of the index run, where one DAG run has several.
    """
    from lsh_core.jobs.build_ids import build_id

    build = build_id(caller_id(context, index_run), context["dag_run"].run_after)
    of_form = {name: value for name, value in context["params"].items() if name not in own_params}
    with _readable_log():
        settings = _settings(model, {**context, "params": {**of_form, **(given or {})}})
        indexed = settings.indexing(model_id) if isinstance(settings, RawToIndexSettings) else settings
        return stage(indexed, build, services_from_connections(context, index_run)).to_json()


def with_partition_key(context: Mapping[str, Any], field: str = "partition") -> dict[str, Any]:
    """Return the context with the partition key of the run in place of `field`.

    A run without a partition key keeps the value of the form.
    """
    key = context["dag_run"].partition_key
    return {**context, "params": {**context["params"], **({} if key is None else {field: key})}}


def _task(context: Mapping[str, Any]) -> str:
    instance = context.get("ti")
    return "" if instance is None else str(instance.task_id)


def _logged(report: Reported, lines: Callable[[Reported], Iterable[str]] | None) -> dict[str, Any]:
    for line in lines(report) if lines else ():
        logger.info("%s", line)
    return report.to_json()


def _settings(model: type[AnySettings], context: Mapping[str, Any]) -> AnySettings:
    from lsh_core.search.query_file import file_and_column

    settings = settings_from_params(model, context["params"])
    for name in _READ:
        if (url := getattr(settings, name, None)) is not None:
            version = getattr(settings, "source_version", None) if name == "source" else None
            check_source(file_and_column(url)[0] if name == "queries" else url, setting=name, version=version)
    if isinstance(settings, FeaturesSettings):
        check_output(settings.output)
        for root in settings.image_root:
            check_image_root(root)
        if settings.weights is not None:
            check_weights(settings.weights)
    return settings


@contextmanager
def _readable_log() -> Iterator[None]:
    """Keep the task's log readable: no line per request, one line per failure."""
    from lsh_core.elastic.refusals import errors_named

    for chatty in _CHATTY_LOGGERS:
        logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        with errors_named():
            yield
    except AirlshError as error:
        message = "\n".join((str(error), *getattr(error, "__notes__", ())))
        logger.error("%s", message)  # noqa: TRY400 - the trace follows anyway, and users read the sentence
        if isinstance(error, InputError):
            raise AirflowFailException(message) from None
        raise
