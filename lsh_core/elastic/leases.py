"""Leases in ``airlsh-leases``: one holder at a time, with a heartbeat and an epoch.

Only one of many callers can create a document, or replace the version of it that it has read. So a lease is taken by
compare-and-swap on the ``_seq_no`` of its document; a search for a lock followed by a write would let all callers in.

The epoch grows with every holder. It fences a holder that was thought dead: a run writes through an alias with the
epoch in its name (`lsh_core.builds.write_fence`).
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from elasticsearch import ConflictError, NotFoundError

from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.liveness import MAX_SECONDS
from lsh_core.elastic.system_indices import LEASES, ensure_system_index
from lsh_core.errors import LeaseHeldError, LeaseLostError
from lsh_core.signals import raise_if_signalled

logger = logging.getLogger(__name__)

BUILD, ALIAS = "build", "alias"
TTL_SECONDS = 60.0
HEARTBEAT_SECONDS = 5.0
_MISSED_HEARTBEATS = 2.5
_LOOK_SECONDS = 0.5
_QUIET_SECONDS, _TELL_SECONDS = 2.0, 15.0
_MAX_ID_BYTES = 512  # Limit of Elasticsearch.


@dataclass(frozen=True)
class Caller:
    """Run that asks for a lease.

    Attributes
    ----------
    id
        Id of the run, the same for all its processes: a retry takes over its own lease at once. None: an id for this
        call alone.
    description
        Name of the run in the errors of refused callers.
    """

    id: str | None
    description: str

    def __post_init__(self) -> None:
        if self.id == "":
            raise ValueError("an empty id would be shared by all callers")


@dataclass(frozen=True)
class LeaseRecord:
    """Stored lease, with the version for a compare-and-swap."""

    name: str
    scope: str
    identity: str
    holder: str
    build: str | None
    epoch: int
    acquired_at: str
    heartbeat_at: str
    ttl_seconds: float
    released: bool
    seq_no: int = field(compare=False)
    primary_term: int = field(compare=False)

    @property
    def overdue(self) -> bool:
        """Return whether the last heartbeat is too old by this machine's clock."""
        return datetime.now(UTC) > self.free_at

    @property
    def free_at(self) -> datetime:
        """Time at which the lease is free without a further heartbeat."""
        return datetime.fromisoformat(self.heartbeat_at) + timedelta(seconds=self.ttl_seconds)

    def to_document(self) -> dict[str, Any]:
        """Return the lease in its stored form."""
        return {
            "name": self.name,
            "scope": self.scope,
            "identity": self.identity,
            "holder": self.holder,
            "build": self.build,
            "epoch": self.epoch,
            "acquired_at": self.acquired_at,
            "heartbeat_at": self.heartbeat_at,
            "ttl_seconds": self.ttl_seconds,
            "released": self.released,
        }


class LeaseStore:
    """Leases, one document per name and scope.

    Every read is real time, and every write is a compare-and-swap.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def read(self, name: str, scope: str) -> LeaseRecord | None:
        """Return the current lease, or None if there never was one."""
        try:
            answer = self._cluster.run(lambda client: client.get(index=LEASES, id=_document_id(name, scope)))
        except NotFoundError:
            return None
        return LeaseRecord(**answer["_source"], seq_no=answer["_seq_no"], primary_term=answer["_primary_term"])

    def replace(self, before: LeaseRecord | None, after: Mapping[str, Any]) -> LeaseRecord | None:
        """Write `after` if `before` is unchanged; return None on a conflict.

        None as `before` means that there is no lease yet.
        """
        condition: dict[str, Any] = {"op_type": "create"}
        if before is not None:
            condition = {"if_seq_no": before.seq_no, "if_primary_term": before.primary_term}
        try:
            answer = self._cluster.run(
                lambda client: client.index(
                    index=LEASES, id=_document_id(after["name"], after["scope"]), document=dict(after), **condition
                ),
                longest_seconds=MAX_SECONDS,
            )
        except ConflictError:
            return None
        return LeaseRecord(**after, seq_no=answer["_seq_no"], primary_term=answer["_primary_term"])


class Lease:
    """Lease that is held; its own thread keeps it alive.

    Attributes
    ----------
    epoch
        Number of the holder, greater than the number of every earlier holder.
    release
        Whether the lease is released at the end of its block.
    """

    def __init__(self, cluster: Cluster, record: LeaseRecord, *, release: bool = True) -> None:
        self._cluster, self._record, self.release = cluster, record, release
        self._stopped, self._lost = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"lease-{record.name}-{record.scope}", daemon=True)
        self._thread.start()

    @property
    def epoch(self) -> int:
        """Number of the holder, greater than the number of every earlier holder."""
        return self._record.epoch

    def require(self) -> None:
        """Raise `LeaseLostError` if another holder is known to have the lease.

        Work under a lease calls this before each step that a former holder must not take. A signal that should end the
        process ends it here as well: see `lsh_core.signals`.
        """
        raise_if_signalled()
        if self._lost.is_set():
            raise LeaseLostError(self._record.name, self._record.scope, self._record.epoch)

    def stop(self) -> None:
        """Stop the heartbeat; release the lease if `release` is set."""
        self._stopped.set()
        self._thread.join()
        if self.release and not self._lost.is_set():
            self._write(released=True)

    def _beat(self) -> None:
        while not self._stopped.wait(HEARTBEAT_SECONDS):
            try:
                self._write(released=False)
            except Exception as error:
                # The lease lives for a minute without a heartbeat; the next heartbeat may succeed.
                logger.warning("lease %s of %s: no heartbeat (%s)", self._record.scope, self._record.name, error)
            if self._lost.is_set():
                logger.error("lease %s of %s was taken over", self._record.scope, self._record.name)
                return

    def _write(self, *, released: bool) -> None:
        """Write a heartbeat.

        If its answer got lost, the written heartbeat is recognised by its epoch.
        """

        store = LeaseStore(self._cluster.waiting(HEARTBEAT_SECONDS))
        document = {**self._record.to_document(), "heartbeat_at": _now(), "released": released}
        written = store.replace(self._record, document)
        while written is None:
            found = store.read(self._record.name, self._record.scope)
            if found is None or (found.epoch, found.identity) != (self._record.epoch, self._record.identity):
                break
            # Released already: a heartbeat was long under way to a hung node, and the block is over.
            written = found if found.released and not released else store.replace(found, document)
        if written is None:
            self._lost.set()
        else:
            self._record = written


@contextmanager
def hold(
    cluster: Cluster,
    name: str,
    scope: str,
    caller: Caller,
    *,
    build: str | None = None,
    wait_seconds: float = 0.0,
    watch: bool = False,
    outwait: bool = True,
    release: bool = True,
) -> Iterator[Lease]:
    """Hold the lease `scope` of `name` during the block.

    A holder without a heartbeat is waited for until its lease expires. The log names the holder and the time of expiry.

    Parameters
    ----------
    build
        Build for which the lease is held, for information.
    wait_seconds
        Seconds to wait for another holder that is alive.
    watch
        Whether to take over the lease after some seconds without a heartbeat of its holder, for work that is repeated
        right after it was killed. Otherwise this is done only if the lease is overdue or held for `build`.
    outwait
        Whether to wait for the lease of a silent holder to expire. False: refuse at once, for callers that retry by
        themselves.
    release
        Whether to release the lease at the end. A kept lease expires a minute after its last heartbeat. The same caller
        can take it over at once.

    Raises
    ------
    LeaseHeldError
        Another caller holds the lease and is alive.
    """
    wish = _Wish(name, scope, caller, build, wait_seconds=wait_seconds, watch=watch, outwait=outwait)
    lease = Lease(cluster, _acquire(cluster, wish), release=release)
    try:
        yield lease
    except BaseException:
        _stop_quietly(lease)
        raise
    lease.stop()


def release(cluster: Cluster, name: str, scope: str, caller: Caller) -> None:
    """Release a lease of `caller` that an earlier block kept.

    The lease of another holder is not changed.
    """
    store = LeaseStore(cluster)
    found = store.read(name, scope)
    if found is not None and found.identity == caller.id and not found.released:
        store.replace(found, {**found.to_document(), "released": True})


@dataclass(frozen=True)
class _Wish:
    """Lease that a caller asks for; see `hold`."""

    name: str
    scope: str
    caller: Caller
    build: str | None
    wait_seconds: float
    watch: bool
    outwait: bool

    def suspects(self, found: LeaseRecord) -> bool:
        """Return whether a silent holder loses the lease after a few seconds."""
        return self.watch or found.overdue or (self.build is not None and found.build == self.build)


def _acquire(cluster: Cluster, wish: _Wish) -> LeaseRecord:
    ensure_system_index(cluster, LEASES)
    store = LeaseStore(cluster)
    id = wish.caller.id or uuid.uuid4().hex
    deadline = time.monotonic() + wish.wait_seconds
    seen, log = _Watch(), _WaitLog()
    while True:
        found = store.read(wish.name, wish.scope)
        seen.see(found)
        if found is None or found.released or found.identity == id or seen.took_its_end(found, wish):
            after = _document(wish, id, found)
            record = _take(store, found, after)
            if record is not None:
                return record
            continue  # Another caller was faster: read the lease again.
        given_up = seen.saw_a_beat or not (wish.outwait or wish.suspects(found))
        if time.monotonic() >= deadline and given_up:
            raise LeaseHeldError(
                wish.name, wish.scope, found.holder, found.acquired_at, found.heartbeat_at, found.ttl_seconds
            )
        log.tell(found)
        raise_if_signalled()
        time.sleep(_LOOK_SECONDS)


class _WaitLog:
    """Log of a wait: names the holder, and the time at which the lease is free."""

    def __init__(self) -> None:
        self._next = time.monotonic() + _QUIET_SECONDS

    def tell(self, found: LeaseRecord) -> None:
        """Log a line every few seconds; a short wait logs nothing."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _TELL_SECONDS
        logger.warning(
            "%s: waiting for the lease %r; %s holds it. Last heartbeat %s; it expires at %s",
            found.name,
            found.scope,
            found.holder,
            found.heartbeat_at,
            found.free_at.isoformat(timespec="seconds"),
        )


class _Watch:
    """Watches a lease for heartbeats by their changes, not by their times.

    The times come from the clock of another machine. A lease is suspect if it is overdue by this machine's clock, if it
    is held for the same build, or if the caller says so. The holder of a suspect lease is dead if no heartbeat comes
    during the watch.
    """

    def __init__(self) -> None:
        self._seq_no: int | None = None
        self._since = time.monotonic()
        self.saw_a_beat = False

    def see(self, found: LeaseRecord | None) -> None:
        """Note the current state of the lease."""
        seq_no = None if found is None else found.seq_no
        if seq_no != self._seq_no:
            self.saw_a_beat |= self._seq_no is not None
            self._seq_no, self._since = seq_no, time.monotonic()

    def took_its_end(self, found: LeaseRecord, wish: _Wish) -> bool:
        """Return whether the holder of a lease is dead, by the time without a heartbeat.

        The holder of a suspect lease is dead after a few missed heartbeats, any other holder after the whole duration
        of its lease. Only the clock of this machine measures the time, so a wrong clock of the holder does no harm.
        """
        silent = time.monotonic() - self._since
        if wish.suspects(found):
            return silent > _MISSED_HEARTBEATS * HEARTBEAT_SECONDS
        return wish.outwait and silent > found.ttl_seconds


def _take(store: LeaseStore, before: LeaseRecord | None, after: Mapping[str, Any]) -> LeaseRecord | None:
    """Replace a lease.

    If the answer got lost, the written lease is recognised by its id and epoch.
    """
    taken = store.replace(before, after)
    if taken is None and (found := store.read(after["name"], after["scope"])) is not None:
        same = (found.identity, found.epoch, found.acquired_at) == (
            after["identity"],
            after["epoch"],
            after["acquired_at"],
        )
        return found if same else None
    return taken


def _document(wish: _Wish, id: str, before: LeaseRecord | None) -> dict[str, Any]:
    return {
        "name": wish.name,
        "scope": wish.scope,
        "identity": id,
        "holder": wish.caller.description,
        "build": wish.build,
        "epoch": before.epoch + 1 if before is not None else 1,
        "acquired_at": _now(),
        "heartbeat_at": _now(),
        "ttl_seconds": TTL_SECONDS,
        "released": False,
    }


def _stop_quietly(lease: Lease) -> None:
    """Stop a lease whose block failed; log errors instead of hiding the failure."""
    try:
        lease.stop()
    except Exception as error:
        logger.warning("the lease could not be given back (%s); it ends by itself", error)


def _document_id(name: str, scope: str) -> str:
    plain = f"{name}/{scope}"
    if len(plain.encode()) <= _MAX_ID_BYTES:
        return plain
    return f"{name}/{hashlib.sha256(scope.encode()).hexdigest()}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
