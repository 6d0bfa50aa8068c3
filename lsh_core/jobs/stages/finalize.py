"""Finalize: closes the index to loaders, restores its settings, refreshes and merges it."""

from __future__ import annotations

from lsh_core.builds.finalize import finalize_index
from lsh_core.builds.stage_facts import FinalizeFacts
from lsh_core.builds.write_fence import fence_writes
from lsh_core.elastic.leases import Lease
from lsh_core.jobs.services import Services
from lsh_core.jobs.stages.plan import read_plan
from lsh_core.jobs.stages.stage_runner import stage
from lsh_core.settings import IndexSettings


@stage
def finalize(settings: IndexSettings, build: str, services: Services, lease: Lease) -> FinalizeFacts:
    """Fence the loaders, and make the index ready for searches."""
    cluster = services.cluster
    plan = read_plan(settings, build, services)
    fence_writes(cluster, plan.index, build, lease.epoch)
    finalize_index(cluster, plan.index, replicas=plan.replicas)
    size = cluster.run(
        lambda client: client.indices.stats(
            index=plan.index, metric="store", filter_path="_all.primaries.store.size_in_bytes"
        )
    )
    return FinalizeFacts(bytes=size["_all"]["primaries"]["store"]["size_in_bytes"])
