"""Promote: the alias moves to a verified build in one step, or stays where it is."""

from __future__ import annotations

from typing import Any

from lsh_core.elastic.cluster import answering_client
from lsh_core.elastic.leases import Lease
from lsh_core.indexing.aliases import live_index
from lsh_core.indexing.runs import RunStore
from lsh_core.jobs.promotion import make_live
from lsh_core.jobs.services import Services
from lsh_core.jobs.stages.recording import recorded
from lsh_core.settings import IndexSettings

_LEASE_SECONDS = 60.0


@recorded
def promote(settings: IndexSettings, build: str, services: Services, lease: Lease) -> dict[str, Any]:
    """Move the alias from what was live when the run started to the build, unless ``promote`` is off.

    Raises
    ------
    PromotionConflictError
        The build is not verified, not healthy, or the alias moved since the run started.
    LeaseHeldError
        Another promotion, or a rollback, does not end.
    """
    client = answering_client(services.connection)
    live = live_index(client, settings.name)
    if not settings.promote:
        return {"promoted": False, "live": live}
    lease.require()
    now_live = make_live(
        settings.name,
        build,
        services,
        expected=RunStore(client).get(settings.name, build).get("expected_live", live),
        green_seconds=settings.wait_green_seconds if settings.wait_green else None,
        lease_seconds=_LEASE_SECONDS,
    )
    return {"promoted": True, "live": now_live}
