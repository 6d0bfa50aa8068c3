"""Replays the journal into a build, and proves that the build holds every change."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from elasticsearch import Elasticsearch

from lsh_core.builds.bulk_lines import LIVE_VERSION
from lsh_core.builds.journal_position import BEFORE_ALL, JournalPosition
from lsh_core.builds.names import replay_alias
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.paging import pages
from lsh_core.errors import UnavailableError, VerificationError
from lsh_core.live.change_writer import ChangeWriter, read_writable
from lsh_core.live.journal import Entry, Journal
from lsh_core.live.latest_changes import LatestChangeIndex
from lsh_core.live.partition_sweep import sweep
from lsh_core.live.pending_changes import pending_changes, uncovered_changes

_WAIT_SECONDS = 300.0
_IDS_PER_PAGE = 1000
_MAX_REASONS = 1000
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Replayed:
    """Position up to which the journal was replayed, and number of applied changes."""

    position: JournalPosition
    changes: int


def replay_changes(
    cluster: Cluster,
    name: str,
    index: str,
    *,
    after: JournalPosition = BEFORE_ALL,
    planned_at: JournalPosition = BEFORE_ALL,
    watermark: JournalPosition = BEFORE_ALL,
) -> Replayed:
    """Apply the changes of `name` after the position `after` to `index`, in order.

    Afterwards the function proves that `index` holds the changes. The model of the build hashes the rows, and columns
    without a field in its mapping are omitted.

    Changes are versioned. So a replay may be repeated, may run beside writers of later changes, and may run on a live
    `index`.

    Parameters
    ----------
    planned_at
        End of the journal before the source of `index` was listed. If the refresh of a partition began later, the index
        may hold rows that have left the partition.
    watermark
        Position up to which the source of `index` contains all changes: these are skipped.

    Raises
    ------
    VerificationError
        The build refuses a change that no later change replaces, or does not hold the change.
    UnavailableError
        A shard was missing for too long.
    """
    journal = Journal(cluster, name)
    last = LatestChangeIndex()
    refused: dict[str, str] = {}
    applied, reached = 0, after
    with closing(ReplayTarget(cluster, index)) as target:
        while True:
            up_to = journal.barrier()
            sweeps: list[Entry] = []
            for page, changes in pending_changes(journal, reached, up_to, watermark):
                _note(refused, target.apply(changes))
                last.add(changes)
                applied += len(changes)
                sweeps += [entry for entry in page if entry.kind == "sweep" and entry.effective_position > planned_at]
            reached = max(up_to, reached)
            swept = 0
            for entry in sweeps:
                for deletes in sweep(cluster, journal, index, entry, planned_at=planned_at):
                    target.apply(deletes)
                    _prove(journal, cluster, index, deletes, refused)
                    swept += len(deletes)
            if not swept:
                break  # Otherwise the deletes of the sweeps are in the journal, after the part that was read.
        if applied:
            # The journal is read a second time, so that no ids are kept in memory. A change that a compaction has
            # deleted meanwhile is followed by a later change, which the next replay applies and proves.
            for _, changes in uncovered_changes(journal, after, reached, watermark, rows=False):
                is_last = last.are_last(changes)
                proven = [entry for entry, each in zip(changes, is_last, strict=True) if each]
                _prove(journal, cluster, index, proven, refused)
    return Replayed(reached, applied)


def changed_hashes(
    cluster: Cluster, name: str, *, up_to: JournalPosition, watermark: JournalPosition = BEFORE_ALL
) -> npt.NDArray[np.uint64]:
    """Return the 128-bit hashes, (n, 2) uint64, of distinct ids that a replay changes.

    The replay goes up to `up_to`.
    """
    changed = LatestChangeIndex()
    for _, changes in uncovered_changes(Journal(cluster, name), BEFORE_ALL, up_to, watermark, rows=False):
        changed.add(changes)
    return changed.hashes()


class ReplayTarget:
    """Write alias of a build that is not live.

    The alias is added at the first change.
    """

    def __init__(self, cluster: Cluster, index: str) -> None:
        self._cluster, self._index, self._alias = cluster, index, replay_alias(index)
        self._writer: ChangeWriter | None = None

    def apply(self, changes: Sequence[Entry]) -> dict[str, str]:
        """Write changes until all are answered; return the refusal reasons by id."""
        if not changes:
            return {}
        if self._writer is None:
            build = read_writable(self._cluster, self._index)
            _put_alias(self._cluster, self._index, self._alias)
            self._writer = ChangeWriter(self._cluster, build, self._alias)
        deadline = time.monotonic() + _WAIT_SECONDS
        refused: dict[str, str] = {}
        waiting, pause = list(changes), 0.05
        while waiting:
            outcome = self._writer.write(waiting)
            refused |= {entry.id: reason for entry, reason in outcome.refused}
            waiting = outcome.waiting
            if waiting and time.monotonic() > deadline:
                raise UnavailableError(self._index, _WAIT_SECONDS, outcome.reason)
            if waiting:
                time.sleep(pause)
                pause = min(2 * pause, 2.0)
                # Another replay into the same build may have removed the alias at its end.
                _put_alias(self._cluster, self._index, self._alias)
        return refused

    def close(self) -> None:
        """Remove the alias."""
        if self._writer is not None:
            _drop_alias(self._cluster, self._index, self._alias)


def _note(refused: dict[str, str], more: dict[str, str]) -> None:
    """Keep the refusal reasons of some thousands of ids; only the first missing id is reported."""
    if len(refused) < _MAX_REASONS:
        refused |= more


def _prove(journal: Journal, cluster: Cluster, index: str, changes: Sequence[Entry], refused: dict[str, str]) -> None:
    """Read changed ids back in real time; each must hold its change or a later one."""
    by_id = {entry.id: entry for entry in changes}
    # A node that rejoins after a partition may answer from an old copy: ids missing on one node are read from the
    # others.
    for node in range(len(cluster.urls)):
        missing: list[tuple[Entry, dict[str, Any]]] = []
        for part in pages(list(by_id), _IDS_PER_PAGE):
            found = cluster.run(partial(_versions, index=index, ids=part), first=node)
            missing += [(by_id[each["_id"]], each) for each in found if not _holds(by_id[each["_id"]], each)]
        if not missing:
            return
        by_id = {entry.id: entry for entry, _ in missing}
    # A live build may have received a later delete meanwhile, which leaves no document.
    now = journal.last_positions([entry.id for entry, _ in missing], up_to=journal.barrier())
    for entry, document in missing:
        if now.get(entry.id) == entry.effective_position:
            raise _not_held(index, entry, document, refused.get(entry.id))


def _versions(client: Elasticsearch, *, index: str, ids: Sequence[str]) -> list[dict[str, Any]]:
    """Return id and version of each document.

    ``_mget`` is real time, independent of refreshes.
    """
    return list(client.mget(index=index, ids=list(ids), source=False)["docs"])


def _holds(change: Entry, document: dict[str, Any]) -> bool:
    wanted = LIVE_VERSION + change.effective_position
    if not document.get("found"):
        return change.kind == "delete"
    version = int(document["_version"])
    return version > wanted or (version == wanted and change.kind == "upsert")


def _not_held(index: str, change: Entry, document: dict[str, Any], reason: str | None) -> VerificationError:
    why = f" ({reason})" if reason is not None else ""
    state = f"version {int(document['_version']) - LIVE_VERSION}" if document.get("found") else "absent"
    error = VerificationError(
        index, f"live change of {change.id!r}{why}", f"the {change.kind} at position {change.effective_position}", state
    )
    if reason is None:
        return error
    at = datetime.fromtimestamp(change.at // 1000, UTC)
    return error.with_note(
        f"The build rejects the live change of {change.id!r} of {at.isoformat()}. If its source contains all changes "
        f"made before a later time: index with --source-as-of {(at + _SECOND).isoformat()}, or later. "
        "Otherwise delete such ids, or upsert them in a form that fits both builds."
    )


def _put_alias(cluster: Cluster, index: str, alias: str) -> None:
    action = {"add": {"index": index, "alias": alias, "is_hidden": True}}
    cluster.run(lambda client: client.indices.update_aliases(actions=[action]))


def _drop_alias(cluster: Cluster, index: str, alias: str) -> None:
    action = {"remove": {"index": index, "alias": alias, "must_exist": False}}
    cluster.run(lambda client: client.options(ignore_status=404).indices.update_aliases(actions=[action]))
