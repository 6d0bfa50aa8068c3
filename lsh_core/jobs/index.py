"""Index: source to verified, published build. Each stage is a function of its own, so that a DAG can call it."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Any

from lsh_core.jobs.identity import build_id
from lsh_core.jobs.services import Services
from lsh_core.jobs.stages.check import check
from lsh_core.jobs.stages.create import create
from lsh_core.jobs.stages.load import load
from lsh_core.jobs.stages.plan import plan
from lsh_core.jobs.stages.promote import promote
from lsh_core.jobs.stages.settle import settle
from lsh_core.jobs.stages.summarise import summarise
from lsh_core.jobs.stages.verify import verify
from lsh_core.settings import IndexSettings

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
        stage(settings, build, services)
    return summarise(settings, build, services)
