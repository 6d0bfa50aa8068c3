"""Index: source to verified, published build. Each stage is a function of its own, so that a DAG can call it."""

from __future__ import annotations

import logging
import secrets
import time
from datetime import UTC, datetime
from typing import Any

from lsh_core.errors import ServerError
from lsh_core.jobs.identity import build_id
from lsh_core.jobs.services import Services
from lsh_core.jobs.stages.check import check
from lsh_core.jobs.stages.create import create
from lsh_core.jobs.stages.load import load
from lsh_core.jobs.stages.plan import plan
from lsh_core.jobs.stages.promote import promote
from lsh_core.jobs.stages.recording import Stage
from lsh_core.jobs.stages.settle import settle
from lsh_core.jobs.stages.summarise import summarise
from lsh_core.jobs.stages.verify import verify
from lsh_core.settings import IndexSettings

logger = logging.getLogger(__name__)

TRIES = 3
PAUSE_SECONDS = 5.0

STAGES = (check, plan, create, load, settle, verify, promote)
"""The stages that do the work, in order; `summarise` follows whether or not they succeed."""

__all__ = [
    "STAGES",
    "check",
    "create",
    "load",
    "plan",
    "promote",
    "run_index",
    "settle",
    "summarise",
    "verify",
]


def run_index(settings: IndexSettings, services: Services, build: str | None = None) -> dict[str, Any]:
    """Run all stages and return the report.

    Parameters
    ----------
    build
        Id of the build; default: a new one.

    Raises
    ------
    AirlshError
        A stage failed; the build is recorded as failed and the live index is unchanged.
    """
    build = build or build_id(secrets.token_hex(16), datetime.now(UTC))
    for stage in STAGES:
        _run_stage(stage, settings, build, services)
    return summarise(settings, build, services)


def _run_stage(stage: Stage, settings: IndexSettings, build: str, services: Services) -> None:
    """Run a stage; again if a node went away under it. Every stage may be repeated, and knows what it has done."""
    from elasticsearch import ApiError, TransportError

    for left in reversed(range(TRIES)):
        try:
            stage(settings, build, services)
        except (ServerError, ApiError, TransportError) as error:
            if not left or (isinstance(error, ServerError) and error.final):
                raise
            logger.warning("%s failed (%s); trying it again in %.0f s", stage.__name__, error, PAUSE_SECONDS)
            time.sleep(PAUSE_SECONDS)
        else:
            return
