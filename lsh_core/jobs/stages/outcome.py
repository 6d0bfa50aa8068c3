"""Outcome: checks that an index run has left a verified and, if wanted, live build."""

from __future__ import annotations

from dataclasses import dataclass

from lsh_core.builds.aliases import live_index
from lsh_core.builds.records import BuildRecord, BuildRecords, BuildState
from lsh_core.errors import OutcomeError
from lsh_core.jobs.services import Services
from lsh_core.json_form import JsonForm
from lsh_core.settings import IndexSettings


@dataclass(frozen=True, kw_only=True)
class Outcome(JsonForm):
    """Build, its state, and the live index."""

    build: str
    state: BuildState
    live: str | None


def require_outcome(settings: IndexSettings, build: str, services: Services) -> Outcome:
    """Return the outcome of a successful run.

    The build must be verified and, if ``promote`` is on, live.

    Raises
    ------
    OutcomeError
        The build does not meet the settings, whatever the stages returned.
    """
    record = BuildRecords(services.cluster).find(settings.name, build, as_acknowledged=True)
    live = live_index(services.cluster, settings.name)
    missing = _missing(record, live, promote=settings.promote)
    if missing is not None:
        raise OutcomeError(settings.name, f"build {build}", missing)
    return Outcome(build=build, state=BuildState.VERIFIED, live=live)


def _missing(record: BuildRecord | None, live: str | None, *, promote: bool) -> str | None:
    """Return the requirement that a build misses, or None."""
    if record is None:
        return "was never begun"
    if record.state is not BuildState.VERIFIED:
        cause = f" ({record.error.splitlines()[0]})" if record.error else ""
        return f"is {record.state}, not verified{cause}"
    if promote and live != record.index:
        promoted = f"was promoted at {record.promoted_at}" if record.promoted_at else "is verified"
        return f"{promoted}, but is not live: {live or 'nothing'} is"
    return None
