"""Promote: moves the alias to a verified build in one step, or not at all."""

from __future__ import annotations

import logging

from lsh_core.builds.aliases import live_index
from lsh_core.builds.journal_position import SourceWatermark
from lsh_core.builds.records import BuildRecords
from lsh_core.builds.stage_facts import PromoteFacts
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.leases import Lease
from lsh_core.jobs.promotion import make_live
from lsh_core.jobs.services import Services
from lsh_core.jobs.stages.stage_runner import stage
from lsh_core.live.compaction import compact_journal
from lsh_core.live.watermark import deletable_position, record_deleted, watermark_of
from lsh_core.settings import IndexSettings

logger = logging.getLogger(__name__)

_LEASE_SECONDS = 60.0


@stage
def promote(settings: IndexSettings, build: str, services: Services, lease: Lease) -> PromoteFacts:
    """Move the alias to the build, unless ``promote`` is off.

    The alias moves only from the index that was live when the run started. Then the journal of live changes is
    compacted, if it is worth the work.

    Raises
    ------
    PromotionConflictError
        The build is not verified or not healthy, or the alias moved since the run started.
    LeaseHeldError
        Another promotion, or a rollback, does not end.
    """
    cluster = services.cluster
    live = live_index(cluster, settings.name)
    if not settings.promote:
        return PromoteFacts(promoted=False, live=live)
    lease.require()
    now_live = make_live(
        settings.name,
        build,
        services,
        expected=BuildRecords(cluster).get(settings.name, build).expected_live,
        green_seconds=settings.wait_green_seconds if settings.wait_green else None,
        lease_seconds=_LEASE_SECONDS,
    )
    _compact(cluster, settings.name, now_live, services)
    return PromoteFacts(promoted=True, live=now_live)


def _compact(cluster: Cluster, name: str, live: str, services: Services) -> None:
    """Compact the journal of live changes; a failure does not fail the run.

    The lease of this stage keeps new builds from starting meanwhile.
    """
    try:
        records = BuildRecords(cluster).of(name)
        deletable = SourceWatermark(watermark_of(records, live).time, deletable_position(records, live))
        done = compact_journal(
            services.cluster,
            name,
            watermark=deletable.position,
            before=lambda: record_deleted(cluster, name, deletable),
        )
    except Exception as error:
        logger.warning("the journal of %s was not compacted (%s); the next run retries", name, error)
    else:
        if done.taken_out:
            logger.info("the journal of %s: %d of %d changes were deleted", name, done.taken_out, done.changes)
