"""Create: creates the build's index.

The write fence is closed until the load opens it.
"""

from __future__ import annotations

import logging

from lsh_core.builds.mapping import BuildMeta, build_body
from lsh_core.builds.names import closed_alias
from lsh_core.builds.records import BuildRecords, BuildState
from lsh_core.builds.stage_facts import CreateFacts
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.copies import copies_missing, data_nodes
from lsh_core.elastic.index_creation import create_index
from lsh_core.elastic.leases import Lease
from lsh_core.elastic.system_indices import MAPPINGS
from lsh_core.errors import LoadError
from lsh_core.jobs.services import Services
from lsh_core.jobs.stages.plan import BuildPlan, read_plan
from lsh_core.jobs.stages.stage_runner import stage
from lsh_core.settings import IndexSettings

logger = logging.getLogger(__name__)

_COPIES_SECONDS = 30.0


@stage
def create(settings: IndexSettings, build: str, services: Services, lease: Lease) -> CreateFacts:
    """Create the index of the build; a retry of the run reuses it.

    Raises
    ------
    LoadError
        The index exists, but differs from the plan of this run.
    """
    cluster = services.cluster
    plan = read_plan(settings, build, services)
    meta = plan.meta(settings.name, build)
    body = build_body(meta, plan.fields, shards=plan.shards, replicas=plan.replicas)
    created = create_index(cluster, plan.index, body, aliases={closed_alias(build, 0): {"is_hidden": True}})
    if not created:
        found = cluster.run(lambda client: client.indices.get_mapping(index=plan.index))
        mapping = found[plan.index]["mappings"]
        if "_meta" not in mapping or BuildMeta.from_json(mapping["_meta"]) != meta:
            raise LoadError(plan.index, "create", "an index of this name exists and belongs to another run")
    _wait_for_copies(cluster, plan)
    BuildRecords(cluster).advance(settings.name, build, BuildState.LOADING)
    return CreateFacts(index=plan.index, created=created, shards=plan.shards, replicas=plan.replicas)


def _wait_for_copies(cluster: Cluster, plan: BuildPlan) -> None:
    """Wait for a while until the index survives the death of a node.

    A replica that is still being built saves nothing.
    """
    indices = [*MAPPINGS]
    if plan.replicas < data_nodes(cluster):
        indices.append(plan.index)
    if missing := copies_missing(cluster, indices, seconds=_COPIES_SECONDS):
        logger.warning(
            "create: %d copies of shards of %s, or of airlsh's own indices, are not there after %.0f s: a node that "
            "dies before they are may take rows with it",
            missing,
            plan.index,
            _COPIES_SECONDS,
        )
