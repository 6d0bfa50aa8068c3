"""How a stage is run: timed, its facts recorded, its failure recorded and the build marked failed."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable
from typing import Any

from lsh_core.elastic.cluster import answering_client
from lsh_core.indexing.runs import FAILED, RunStore, now
from lsh_core.jobs.services import Services
from lsh_core.settings import IndexSettings

logger = logging.getLogger(__name__)

_LONGEST_ERROR = 8000

Stage = Callable[[IndexSettings, str, Services], dict[str, Any]]


def recorded(stage: Stage) -> Stage:
    """Record what `stage` found, and how long it took, in the run record of the build."""
    name = stage.__name__

    @functools.wraps(stage)
    def run(settings: IndexSettings, build: str, services: Services) -> dict[str, Any]:
        started = time.perf_counter()
        try:
            facts = stage(settings, build, services)
        except BaseException as error:
            _record_failure(name, build, services, error)
            raise
        facts = {**facts, "seconds": round(time.perf_counter() - started, 3)}
        RunStore(answering_client(services.connection)).stage(build, name, facts)
        logger.info("%s: %s", name, ", ".join(f"{key} {_short(value)}" for key, value in facts.items()))
        return facts

    return run


def _record_failure(stage: str, build: str, services: Services, error: BaseException) -> None:
    """Mark the build failed; a server that cannot be reached must not hide the error itself.

    A build whose promotion failed stays verified: it can be promoted later.
    """
    cause = str(error) if isinstance(error, Exception) else f"ended by {type(error).__name__}"
    what = f"{stage}: {cause}"[:_LONGEST_ERROR]
    state = {} if stage == "promote" else {"state": FAILED}
    try:
        runs = RunStore(answering_client(services.connection, wait_seconds=5))
        runs.update(build, error=what, finished_at=now(), **state)
    except Exception:
        logger.debug("the failure of build %s could not be recorded", build, exc_info=True)


def _short(value: object) -> str:
    text = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
    return text if len(text) <= 120 else text[:117] + "..."
