"""Index: from a source to a verified, published build.

Each stage is a function of its own, so that a DAG can call it.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from lsh_core.builds.records import BuildRecords
from lsh_core.elastic.leases import BUILD, release
from lsh_core.elastic.refusals import errors_named
from lsh_core.errors import AirlshError, ServerError, SettingsError, UnavailableError
from lsh_core.jobs.build_ids import build_id
from lsh_core.jobs.index_report import IndexReport
from lsh_core.jobs.services import Services
from lsh_core.jobs.stages.check import check
from lsh_core.jobs.stages.create import create
from lsh_core.jobs.stages.finalize import finalize
from lsh_core.jobs.stages.load import load
from lsh_core.jobs.stages.order import STAGES as STAGE_ORDER
from lsh_core.jobs.stages.outcome import require_outcome
from lsh_core.jobs.stages.plan import plan
from lsh_core.jobs.stages.promote import promote
from lsh_core.jobs.stages.stage_runner import Stage
from lsh_core.jobs.stages.summarise import summarise
from lsh_core.jobs.stages.verify import verify
from lsh_core.settings import IndexSettings, validated

logger = logging.getLogger(__name__)

CHANGEABLE = frozenset(
    {
        "promote",
        "max_dead_letters",
        "stop_dead_letters",
        "stop_dead_letter_share",
        "dead_letter_days",
        "request_bytes",
        "posting_threads",
        "node_wait_seconds",
        "recall_queries",
        "recall_target",
        "wait_green",
        "wait_green_seconds",
    }
)
"""Settings that a resumed run may change: they do not affect the documents."""

TRIES = 3
PAUSE_SECONDS = 5.0

_STAGES = {stage.__name__: stage for stage in (check, create, finalize, load, plan, promote, verify)}

STAGES = tuple(_STAGES[entry.name] for entry in STAGE_ORDER)
"""Functions of the stages, in order. `summarise` follows after success and failure."""

__all__ = [
    "STAGES",
    "check",
    "create",
    "finalize",
    "load",
    "plan",
    "promote",
    "require_outcome",
    "resumed_settings",
    "run_index",
    "summarise",
    "verify",
]


@errors_named()
def run_index(settings: IndexSettings, services: Services, build: str | None = None) -> IndexReport:
    """Run all stages and return the report.

    Parameters
    ----------
    build
        Id of the build; default: a new one.

    Raises
    ------
    AirlshError
        A stage failed; the build is recorded as failed and the live index is unchanged.

    Examples
    --------
    >>> from lsh_core import IndexSettings, find_services, index
    >>> services = find_services("http://127.0.0.1:9200")
    >>> settings = IndexSettings(name="packages", source="examples/debian_packages.parquet", promote=False)
    >>> report = index(settings, services, build="20261120t225340-1f0c3a")
    """
    recorded = build is not None
    build = build or build_id(secrets.token_hex(16), datetime.now(UTC))
    caller = replace(services.caller, id=services.caller.id or secrets.token_hex(16))
    services = replace(services, caller=caller)
    resume = f"airlsh index {settings.name} --resume {build}"
    try:
        for stage in STAGES:
            _run_stage(stage, settings, build, services)
            recorded = True
        return summarise(settings, build, services)
    except AirlshError as error:
        if recorded and not error.final:
            error.add_note(f"To resume it: {resume}")
        raise
    except (KeyboardInterrupt, SystemExit):
        if recorded:
            logger.warning("build %s is not finished; to resume it: %s", build, resume)
        raise
    finally:
        _give_back(settings.name, services)


@errors_named()
def resumed_settings(name: str, build: str, given: Mapping[str, Any], services: Services) -> IndexSettings:
    """Return the settings of an earlier run of `build`, updated with `given`.

    Only settings that a resumed run may change are accepted.

    Raises
    ------
    NotFoundError
        `name` has no such build.
    SettingsError
        `given` changes a setting that the plan of the build depends on.
    """
    stored = BuildRecords(services.cluster).get(name, build).settings
    merged = validated(IndexSettings, {**stored, **given})
    planned = validated(IndexSettings, stored)
    for setting in given:
        was, wanted = getattr(planned, setting), getattr(merged, setting)
        if was != wanted and setting not in CHANGEABLE:
            raise SettingsError(
                setting, wanted, f"build {build} was planned with {was!r}; start a new run without --resume"
            )
    return merged


def _give_back(name: str, services: Services) -> None:
    """Release the lease.

    If the cluster is gone, the lease expires by itself.
    """
    try:
        release(services.cluster, name, BUILD, services.caller)
    except Exception as error:
        logger.warning("the lease of %s could not be given back (%s); it ends by itself", name, error)


def _is_last(error: Exception, settings: IndexSettings) -> bool:
    """Return whether a failed stage is not repeated.

    A repetition cannot help, or the patience is spent.
    """
    if isinstance(error, UnavailableError) and error.waited_seconds >= settings.node_wait_seconds:
        return True
    return isinstance(error, ServerError) and error.final


def _run_stage(stage: Stage, settings: IndexSettings, build: str, services: Services) -> None:
    """Run a stage; repeat it if a node went away meanwhile.

    Every stage may be repeated, and skips finished work.
    """
    for left in reversed(range(TRIES)):
        try:
            stage(settings, build, services)
        except ServerError as error:
            if not left or _is_last(error, settings):
                raise
            logger.warning("%s failed (%s); trying it again in %.0f s", stage.__name__, error, PAUSE_SECONDS)
            time.sleep(PAUSE_SECONDS)
        else:
            return
