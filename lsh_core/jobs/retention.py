"""Deletes builds: old builds, or one named build."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from elasticsearch import NotFoundError as Missing

from lsh_core.builds.aliases import live_index
from lsh_core.builds.mapping import META_KEY
from lsh_core.builds.records import BuildRecord, BuildRecords, BuildState, unknown_name
from lsh_core.builds.write_fence import fence_writes
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.leases import ALIAS, BUILD, hold
from lsh_core.elastic.refusals import errors_named
from lsh_core.errors import LeaseHeldError, LoadError, OutcomeError, PromotionConflictError, ServerError
from lsh_core.jobs.services import Services
from lsh_core.json_form import JsonForm
from lsh_core.loading.dead_letters import read_dead_letters
from lsh_core.loading.ledger import last_entry_at
from lsh_core.loading.purge import purge_build, purge_expired_dead_letters
from lsh_core.settings import AbandonSettings, RetireSettings

logger = logging.getLogger(__name__)

_LEASE_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class RetireReport(JsonForm):
    """Deleted builds and kept builds.

    Attributes
    ----------
    skipped
        Builds that could not be deleted now, each with the reason. While an index run of the name is running, the key
        ``*`` stands for all builds.
    """

    name: str
    retired: Sequence[str] = ()
    kept: Sequence[str] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class AbandonReport(JsonForm):
    """Deleted build and its index."""

    name: str
    abandoned: str
    index: str


@errors_named()
def retire(settings: RetireSettings, services: Services) -> RetireReport:
    """Delete old builds: not live, not among the newest verified, not touched recently.

    Unverified builds are deleted only after a long time without an event: their runs may be resumed, and may still be
    loading although their task is dead and the lease is free. The latest build is kept as long as it has dead letters
    to replay. Models are never deleted.

    Examples
    --------
    >>> from lsh_core import RetireSettings, find_services, retire
    >>> services = find_services("http://127.0.0.1:9200")
    >>> report = retire(RetireSettings(name="packages", keep=2), services)
    """
    try:
        return _retire(settings, services)
    except LeaseHeldError as held:
        if held.scope != BUILD:
            raise
        logger.warning("nothing is retired: %s", held)
        return RetireReport(name=settings.name, skipped={"*": str(held)})


def retire_all(settings: RetireSettings, services: Services) -> RetireReport:
    """Delete builds as `retire` does; a skipped build is a failure.

    A task of Airflow needs success or failure.

    Raises
    ------
    LeaseHeldError
        An index run of this name is running; nothing is retired.
    OutcomeError
        Some builds were skipped; the others are retired.
    """
    report = _retire(settings, services)
    if report.skipped:
        left = "; ".join(f"build {build} ({reason})" for build, reason in report.skipped.items())
        raise OutcomeError(settings.name, left, f"not retired; {len(report.retired)} others were")
    return report


def _retire(settings: RetireSettings, services: Services) -> RetireReport:
    cluster = services.cluster
    with hold(services.cluster, settings.name, BUILD, services.caller) as lease:
        purge_expired_dead_letters(cluster)
        records = BuildRecords(cluster).of(settings.name)
        if not records:
            raise unknown_name(settings.name)
        live = live_index(cluster, settings.name)
        newest = [each.build for each in records if each.state is BuildState.VERIFIED and each.index != live]
        spared = set(newest[: settings.keep])
        retired, kept, skipped = [], [], dict[str, str]()
        for number, record in enumerate(records):
            build = record.build
            if (
                record.index == live
                or build in spared
                or _is_young(cluster, record, settings)
                or (number == 0 and _is_correctable(cluster, record))
            ):
                kept.append(build)
                continue
            lease.require()
            try:
                with errors_named():
                    _delete(settings.name, record, services, lease.epoch)
            except (PromotionConflictError, LeaseHeldError, LoadError, ServerError) as error:
                # An index that does not match its record must not keep all others from being retired.
                logger.warning("build %s is not retired: %s", build, error)
                skipped[build] = str(error)
            else:
                retired.append(build)
    return RetireReport(name=settings.name, retired=retired, kept=kept, skipped=skipped)


@errors_named()
def abandon(settings: AbandonSettings, services: Services) -> AbandonReport:
    """Delete one build that is not live: index, ledger entries, dead letters, record.

    A writer that is left over from its run is refused from then on. A build whose run was killed can be abandoned once
    its lease has shown no heartbeat for some seconds.

    Raises
    ------
    NotFoundError
        The build does not exist.
    PromotionConflictError
        The build is live.
    LeaseHeldError
        An index run of this name is running.

    Examples
    --------
    >>> from lsh_core import AbandonSettings, abandon, find_services
    >>> services = find_services("http://127.0.0.1:9200")
    >>> report = abandon(AbandonSettings(name="packages", build="20261120t225340-1f0c3a"), services)
    """
    cluster = services.cluster
    record = BuildRecords(cluster).get(settings.name, settings.build)
    _require_not_live(cluster, settings.name, record)
    with hold(services.cluster, settings.name, BUILD, services.caller, build=settings.build) as lease:
        _delete(settings.name, record, services, lease.epoch)
    return AbandonReport(name=settings.name, abandoned=settings.build, index=record.index)


def _delete(name: str, record: BuildRecord, services: Services, epoch: int) -> None:
    """Delete a build under the lease of the alias.

    So no promotion can make it live meanwhile.
    """
    cluster = services.cluster
    build, index = record.build, record.index
    with hold(services.cluster, name, ALIAS, services.caller, wait_seconds=_LEASE_SECONDS):
        _require_not_live(cluster, name, record)
        _delete_index(cluster, name, index, build, epoch)
        purge_build(cluster, build)
        BuildRecords(cluster).forget(build)


def _require_not_live(cluster: Cluster, name: str, record: BuildRecord) -> None:
    if live_index(cluster, name) == record.index:
        raise PromotionConflictError(name, f"build {record.build} is live; promote another one, or roll back, first")


def _delete_index(cluster: Cluster, name: str, index: str, build: str, epoch: int) -> None:
    """Delete `index` if its ``_meta`` names this build; never by pattern.

    The write fence is closed first, so late loaders also lose the alias of the ledger.
    """
    try:
        meta = (
            cluster.run(lambda client: client.indices.get_mapping(index=index))[index]["mappings"]
            .get("_meta", {})
            .get(META_KEY, {})
        )
        if (meta.get("name"), meta.get("build")) != (name, build):
            reason = f"{index} does not say that it is build {build} of {name}; it is left alone"
            raise PromotionConflictError(name, reason)
        fence_writes(cluster, index, build, epoch)
        cluster.run(lambda client: client.indices.delete(index=index))
    except Missing:
        return


def _is_young(cluster: Cluster, record: BuildRecord, settings: RetireSettings) -> bool:
    """Return whether a build is too young to delete.

    Another run may still load it: its record may be older than its last chunk.
    """
    now = datetime.now(UTC)
    if record.state is BuildState.VERIFIED:
        return record.last_touched > now - timedelta(seconds=settings.grace_seconds)
    since = now - timedelta(seconds=settings.unfinished_grace_seconds)
    loaded_at = last_entry_at(cluster, record.build)
    return record.last_touched > since or (loaded_at is not None and loaded_at > since)


def _is_correctable(cluster: Cluster, record: BuildRecord) -> bool:
    """Return whether a build is unverified and has dead letters to replay."""
    return record.state is not BuildState.VERIFIED and any(read_dead_letters(cluster, record.build, limit=1))
