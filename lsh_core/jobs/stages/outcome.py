"""Outcome: the facts that an index run must have brought about before it may be called a success."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lsh_core.builds.aliases import live_index
from lsh_core.builds.records import VERIFIED, BuildRecords
from lsh_core.elastic.cluster import answering_client, on_any_node
from lsh_core.errors import OutcomeError
from lsh_core.jobs.services import Services
from lsh_core.settings import IndexSettings


def require_outcome(settings: IndexSettings, build: str, services: Services) -> dict[str, Any]:
    """Return ``build, state, live`` if the build is verified and, where ``promote`` is on, live.

    Raises
    ------
    OutcomeError
        The build is not what the settings ask for, whatever the stages have returned.
    """
    record = on_any_node(
        services.connection, lambda client: BuildRecords(client).find(settings.name, build, as_acknowledged=True)
    )
    live = live_index(answering_client(services.connection), settings.name)
    missing = _missing(record, live, promote=settings.promote)
    if missing is not None:
        raise OutcomeError(settings.name, f"build {build}", missing)
    return {"build": build, "state": VERIFIED, "live": live}


def _missing(record: Mapping[str, Any] | None, live: str | None, *, promote: bool) -> str | None:
    """Return what a build lacks, or None if it lacks nothing."""
    if record is None:
        return "was never begun"
    if record["state"] != VERIFIED:
        cause = f" ({str(record['error']).splitlines()[0]})" if record.get("error") else ""
        return f"is {record['state']}, not verified{cause}"
    if promote and live != record["index"]:
        promoted = f"was promoted at {record['promoted_at']}" if record.get("promoted_at") else "is verified"
        return f"{promoted}, but is not live: {live or 'nothing'} is"
    return None
