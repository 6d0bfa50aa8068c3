"""Stage runner: runs a stage under a lease, and records its facts or failure."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol, TypeVar

from lsh_core.builds.records import BuildRecords
from lsh_core.builds.stage_facts import StageFacts
from lsh_core.elastic.leases import BUILD, Caller, Lease, hold
from lsh_core.elastic.refusals import errors_named
from lsh_core.errors import AirlshError, LeaseLostError, VerificationError
from lsh_core.jobs.services import Services
from lsh_core.settings import IndexSettings

logger = logging.getLogger(__name__)

_MAX_ERROR_CHARACTERS = 8000

Stage = Callable[[IndexSettings, str, Services], StageFacts]
Facts = TypeVar("Facts", bound=StageFacts)
FoundFacts = TypeVar("FoundFacts", bound=StageFacts, covariant=True)


class StageWork(Protocol[FoundFacts]):
    """Work of a stage, done under the lease of the index name."""

    __name__: str

    def __call__(self, settings: IndexSettings, build: str, services: Services, lease: Lease, /) -> FoundFacts:
        """Do the stage's work, and return its facts."""


def stage(stage: StageWork[Facts]) -> Callable[[IndexSettings, str, Services], Facts]:
    """Run `stage` as the only writer of its name; record its facts and duration.

    The lease is kept for the next stage of the same run; `summarise` releases it. A stage that fails finally, or that
    is ended on purpose, releases the lease itself, so that the next run of the name need not wait.
    """
    name = stage.__name__

    @functools.wraps(stage)
    @errors_named()
    def run(settings: IndexSettings, build: str, services: Services) -> Facts:
        caller = run_caller(services, build)
        with hold(services.cluster, settings.name, BUILD, caller, build=build, release=False) as lease:
            started = time.perf_counter()
            try:
                lease.require()
                with errors_named():  # Here as well, so that the sentence of the named error is recorded.
                    facts = stage(settings, build, services, lease)
                lease.require()
            except LeaseLostError:
                raise  # The build belongs to another run now, so its state is not written.
            except BaseException as error:
                lease.release = not _is_repeated(error)
                _record_failure(name, settings.name, build, services, error)
                raise
            facts = replace(facts, seconds=round(time.perf_counter() - started, 3))
            BuildRecords(services.cluster).record_stage(build, name, facts)
        logger.info("%s: %s", name, ", ".join(f"{key} {_short(value)}" for key, value in facts.to_json().items()))
        return facts

    return run


def run_caller(services: Services, build: str) -> Caller:
    """Return the caller that all stages of a run share.

    A stage that is called alone uses its build as the run.
    """
    return replace(services.caller, id=services.caller.id or f"build {build}")


def _is_repeated(error: BaseException) -> bool:
    """Return whether another try may follow `error`.

    Neither Ctrl-C nor a final error is followed by another try.
    """
    return isinstance(error, Exception) and not (isinstance(error, AirlshError) and error.final)


def _record_failure(stage: str, name: str, build: str, services: Services, error: BaseException) -> None:
    """Mark the build failed.

    An unreachable server must not hide the error itself. A build that was verified before keeps its state, unless
    verification has found a fault: the failure concerns only the run, and the build may be live, or the target of a
    rollback.
    """
    cause = str(error) if isinstance(error, Exception) else f"ended by {type(error).__name__}"
    what = f"{stage}: {cause}"[:_MAX_ERROR_CHARACTERS]
    found_wrong = stage == "verify" and isinstance(error, VerificationError)
    try:
        runs = BuildRecords(services.cluster.waiting(5))
        record = runs.find(name, build)
        verified = record is not None and record.was_verified
        runs.record_failure(build, what, keep_state=verified and not found_wrong)
    except Exception:
        logger.debug("the failure of build %s could not be recorded", build, exc_info=True)


def _short(value: object) -> str:
    text = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
    return text if len(text) <= 120 else text[:117] + "..."
