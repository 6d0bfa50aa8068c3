"""Promotion: replays the journal into a build, and moves the alias to it."""

from __future__ import annotations

import logging

from lsh_core.builds.aliases import live_index, require_healthy, require_live, swap, wait_green
from lsh_core.builds.journal_position import JournalPosition
from lsh_core.builds.records import BuildRecords, BuildState
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.leases import ALIAS, Lease, hold
from lsh_core.errors import PromotionConflictError
from lsh_core.evaluation.warm_up import warm_up
from lsh_core.jobs.services import Services
from lsh_core.live.live_fence import fence_live, moving_actions, repair_live, unfence_live
from lsh_core.live.replay import replay_changes

logger = logging.getLogger(__name__)

_TRIES = 3


def catch_up(name: str, build: str, services: Services) -> JournalPosition:
    """Replay the changes that the build may lack; return the position reached.

    It raises the errors of `replay_changes`.
    """
    record = BuildRecords(services.cluster).get(name, build, as_acknowledged=True)
    position = replay_changes(
        services.cluster,
        name,
        record.index,
        after=record.replayed_to,
        planned_at=record.planned_at,
        watermark=record.watermark.position,
    ).position
    BuildRecords(services.cluster).record_replay(build, position)
    return position


def make_live(
    name: str,
    build: str,
    services: Services,
    *,
    expected: str | None,
    green_seconds: float | None = None,
    lease_seconds: float = 0.0,
) -> str:
    """Move the alias `name` from `expected` to `build`; return the live index.

    A build that is already live is a success: an earlier try moved the alias, and lost the answer.

    Parameters
    ----------
    expected
        Index that was live when the caller decided; None: no index was live. The alias moves from this index only.
    green_seconds
        Seconds to wait for every replica; None: replicas may still be building.
    lease_seconds
        Seconds to wait for the end of another promotion.

    Raises
    ------
    PromotionConflictError
        The build is not verified or not searchable, or the alias leads to another index.
    LeaseHeldError
        Another promotion is running.
    UnavailableError
        A node does not answer, or does not know of the fence in time and could let changes through.
    """
    cluster = services.cluster
    record = BuildRecords(services.cluster).get(name, build, as_acknowledged=True)
    if record.state is not BuildState.VERIFIED:
        corrected = record.state is BuildState.CORRECTED
        mend = ": repeat the replay of its dead letters, which verifies it" if corrected else ""
        raise PromotionConflictError(name, f"build {build} is {record.state}, not verified{mend}")
    index = record.index
    for _ in range(_TRIES):
        with hold(services.cluster, name, ALIAS, services.caller, build=build, wait_seconds=lease_seconds) as lease:
            repair_live(cluster, name, lease.epoch)
            if live_index(cluster, name) == index:
                if record.promoted_at is None:
                    BuildRecords(cluster).record_promotion(build)
                return index
            _require_expected(cluster, name, build, expected)
            if green_seconds is not None:
                wait_green(cluster, name, index, green_seconds)
            require_healthy(cluster, name, index)
            searches = warm_up(services.cluster, name, index)
            logger.info("warm-up: %d searches of %s", searches, index)
            if _fenced_swap(cluster, name, build, expected, index, lease, services):
                BuildRecords(cluster).record_promotion(build)
                return index
        logger.warning("%s: the fence was removed before the swap; trying it again", name)
    raise PromotionConflictError(name, f"was not moved: its fence was removed {_TRIES} times; try again")


def _fenced_swap(
    cluster: Cluster,
    name: str,
    build: str,
    expected: str | None,
    index: str,
    lease: Lease,
    services: Services,
) -> bool:
    """Replay most of the journal, fence, replay the rest, swap.

    Returns False if the fence did not hold.
    """
    catch_up(name, build, services)
    lease.require()
    _record_demotion(cluster, name, expected)
    if expected is None:
        return swap(cluster, name, expected=None, new=index, along=moving_actions(name, None, index, lease.epoch))
    moved = False
    try:
        if fence_live(cluster, name, expected, lease.epoch):
            catch_up(name, build, services)
            lease.require()
            along = moving_actions(name, expected, index, lease.epoch)
            moved = swap(cluster, name, expected=expected, new=index, along=along)
    finally:
        if not moved:
            # Writers wait for the fence, so it must not outlive a failure. Otherwise the next holder of the lease would
            # have to repair it.
            unfence_live(services.cluster, name, expected, lease.epoch)
    return moved


def _require_expected(cluster: Cluster, name: str, build: str, expected: str | None) -> None:
    try:
        require_live(cluster, name, expected)
    except PromotionConflictError as conflict:
        conflict.with_note(
            f"Build {build} was left as it is. If it is to replace what is live now: "
            f"airlsh builds promote {name} --build {build}"
        )
        raise


def _record_demotion(cluster: Cluster, name: str, index: str | None) -> None:
    """Record the time at which a build ceases to be live.

    A rollback returns to the build that ceased last. The record is written before the swap, because a promoter that is
    killed after the swap can record nothing. If no swap follows, the build stays live, and the entry is not read.
    """
    runs = BuildRecords(cluster)
    for record in runs.of(name):
        if record.index == index:
            runs.record_demotion(record.build)
