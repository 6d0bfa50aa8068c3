"""Promote: the alias moves to a verified build in one step, or stays where it is."""

from __future__ import annotations

from typing import Any

from lsh_core.elastic.cluster import answering_client
from lsh_core.elastic.leases import Lease
from lsh_core.errors import PromotionConflictError
from lsh_core.indexing.aliases import live_index, swap
from lsh_core.indexing.runs import VERIFIED, RunStore, now
from lsh_core.jobs.services import Services
from lsh_core.jobs.stages.recording import recorded
from lsh_core.settings import IndexSettings


@recorded
def promote(settings: IndexSettings, build: str, services: Services, lease: Lease) -> dict[str, Any]:
    """Move the alias to the build, unless ``promote`` is off.

    Raises
    ------
    PromotionConflictError
        The build is not verified, not healthy, or the alias moved meanwhile.
    """
    if not settings.promote:
        return {"promoted": False, "live": live_index(answering_client(services.connection), settings.name)}
    return {"promoted": True, "live": make_live(settings.name, build, services)}


def make_live(name: str, build: str, services: Services) -> str:
    """Move the alias `name` to `build`, which must be verified; return the index that is live now."""
    client = answering_client(services.connection)
    runs = RunStore(client)
    record = runs.get(name, build)
    if record["state"] != VERIFIED:
        raise PromotionConflictError(name, f"build {build} is {record['state']}, not verified")
    index = str(record["index"])
    before = live_index(client, name)
    swap(client, name, expected=before, new=index)
    if before != index or "promoted_at" not in record:
        moment = now()
        runs.update(build, promoted_at=moment)
        for other in runs.of(name):
            if other["index"] == before and before != index:
                runs.update(other["build"], demoted_at=moment)
    return index
