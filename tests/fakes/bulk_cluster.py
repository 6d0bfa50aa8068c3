"""An in-memory cluster behind the loader's network seam, and a clock that only moves when someone sleeps.

`FakeCluster` answers bulk requests as the real server was seen to, and misbehaves as it is told: by rules
that always hold (a size limit, rows it will never take, a dead node) and by a script of faults, one a
request, after which it is healthy again.
"""

from __future__ import annotations

import json
import threading
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from lsh_core.elastic.missing_shards import MissingShard
from lsh_core.loading.bulk_transport import BulkAnswer, NodeUnreachableError

MAX_ID_BYTES = 512


class FakeClock:
    """A clock for tests: calling it tells the time, `sleep` moves it on at once."""

    def __init__(self) -> None:
        self._now = 1000.0
        self._lock = threading.Lock()

    def __call__(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        """Move on by `seconds`."""
        if seconds < 0:
            raise ValueError(f"cannot sleep {seconds} s")
        with self._lock:
            self._now += seconds


class Row(NamedTuple):
    """One row of a request, as the server reads it."""

    id: str
    version: int
    source: dict[str, Any]


class Document(NamedTuple):
    """What the index holds under an id."""

    version: int
    source: dict[str, Any]


class Request(NamedTuple):
    """One request that reached a node, for the record: its rows are None where the node did not read them."""

    node: int
    size: int
    ids: tuple[str, ...]
    status: int | None


@dataclass(frozen=True)
class ItemsFail:
    """Some rows of one request fail: row i if bit ``i % 16`` of `mask` is set."""

    status: int
    error: str
    mask: int = 0xFFFF

    def hits(self, position: int) -> bool:
        """Return whether the row at `position` fails."""
        return bool(self.mask >> (position % 16) & 1)


@dataclass(frozen=True)
class RequestFails:
    """One request fails as a whole, and nothing of it is done."""

    status: int
    error: str | None


@dataclass(frozen=True)
class NoAnswer:
    """One request gets no answer; it may have been executed all the same."""

    executed: bool


@dataclass(frozen=True)
class Slow:
    """One request takes long, and is answered."""

    seconds: float


@dataclass(frozen=True)
class NodeDies:
    """The node that is asked dies under the request, and comes back after so many `seconds`."""

    seconds: float
    executed: bool = False


@dataclass(frozen=True)
class PrimaryAway:
    """From now on a third of all ids has no primary shard, for so many `seconds`."""

    seconds: float


@dataclass(frozen=True)
class DiskFull:
    """From now on the index is blocked for writes, for so many `seconds`."""

    seconds: float


Fault = ItemsFail | RequestFails | NoAnswer | Slow | NodeDies | PrimaryAway | DiskFull

TOO_BUSY = ItemsFail(429, "es_rejected_execution_exception")
NODE_LEFT = ItemsFail(502, "node_not_connected_exception")
NO_PRIMARY = ItemsFail(503, "unavailable_shards_exception")
BLOCKED = ItemsFail(429, "cluster_block_exception")
NO_PERMISSION = ItemsFail(403, "security_exception")
NO_ALIAS = ItemsFail(404, "index_not_found_exception")
UNDER_PRESSURE = RequestFails(429, "es_rejected_execution_exception")


@dataclass
class FakeNode:
    """One node: dead until `back_at`, which may be for ever; one that hangs holds its requests until `awake` is set."""

    back_at: float = float("-inf")
    awake: threading.Event | None = None
    timed_out: bool = False


@dataclass
class FakeCluster:
    """A `BulkTransport` whose index is a dict.

    Attributes
    ----------
    script
        Faults for the next requests that are read, one each; None for a request that goes well.
    max_bytes
        A longer request is answered 413 with an empty body.
    memory_bytes
        A longer request is answered 429, for ever.
    refuses
        Whether a row is refused with an item 400.
    spoils
        Whether a row spoils its whole request with a 400, besides ids over 512 bytes, which always do.
    before_answer
        Called with each request, outside of all locks, before it is read.
    held
        Requests that came to a node while it hung.
    """

    nodes: int
    clock: FakeClock = field(default_factory=FakeClock)
    script: Iterable[Fault | None] = ()
    max_bytes: int = 100 * 2**20
    memory_bytes: int = 100 * 2**20
    refuses: Callable[[Row], bool] = lambda row: False
    spoils: Callable[[Row], bool] = lambda row: False
    before_answer: Callable[[int, bytes], None] = lambda node, body: None

    def __post_init__(self) -> None:
        self.documents: dict[str, Document] = {}
        self.requests: list[Request] = []
        self.held: list[Request] = []
        self.health_checks = 0
        self._nodes = [FakeNode() for _ in range(self.nodes)]
        self._script = iter(self.script)
        self._no_primary_until = self._blocked_until = float("-inf")
        self._lock = threading.RLock()
        self._changed = threading.Condition()

    def kill(self, node: int, seconds: float = float("inf")) -> None:
        """Stop `node`; it comes back after `seconds`."""
        self._nodes[node].back_at = self.clock() + seconds

    def restart(self, node: int) -> None:
        """Bring `node` back."""
        self._nodes[node].back_at = float("-inf")

    def hang(self, node: int) -> None:
        """From now on requests to `node` are held, as by a process that was stopped."""
        self._nodes[node].awake = threading.Event()

    def resume(self, node: int, *, timed_out: bool) -> None:
        """Let `node` answer what it holds; if they `timed_out` nobody listens any more: executed, without an answer."""
        hung = self._nodes[node]
        if hung.awake is None:
            raise ValueError(f"node {node} does not hang")
        hung.timed_out = timed_out
        hung.awake.set()

    def wait_until(self, met: Callable[[], bool], *, seconds: float = 60) -> bool:
        """Wait until `met` after a request was answered or held; return whether it was."""
        with self._changed:
            return self._changed.wait_for(met, seconds)

    def post(self, node: int, body: bytes) -> BulkAnswer:
        """Answer one bulk request as the real server does."""
        self._hold(node, body)
        try:
            return self._post(node, body)
        finally:
            self.tell()

    def tell(self) -> None:
        """Make whoever is in `wait_until` look again."""
        with self._changed:
            self._changed.notify_all()

    def _hold(self, node: int, body: bytes) -> None:
        hung = self._nodes[node]
        if hung.awake is None or hung.awake.is_set():
            return
        with self._lock:
            self.held.append(Request(node, len(body), tuple(row.id for row in read_rows(body) or ()), None))
        self.tell()
        if not hung.awake.wait(120):
            raise TimeoutError(f"nobody let node {node} go on")
        if hung.timed_out:
            self._post(node, body)
            raise NodeUnreachableError(f"http://node{node}: timed out")

    def _post(self, node: int, body: bytes) -> BulkAnswer:
        if not isinstance(body, bytes):
            raise TypeError(f"a body that may change under way: {type(body).__name__}")
        self.before_answer(node, body)
        with self._lock:
            try:
                answer = self._answer(node, body)
            except NodeUnreachableError:
                self._note(node, body, None)
                raise
            self._note(node, body, answer.status)
            return answer

    def primaries_ready(self) -> bool:
        """Return whether every primary is there."""
        self.health_checks += 1
        return self.clock() >= self._no_primary_until

    def missing_shards(self) -> tuple[MissingShard, ...]:
        """Return the shard that a `PrimaryAway` took away."""
        return () if self.clock() >= self._no_primary_until else (MissingShard("idx", 1, 3, "NODE_LEFT"),)

    def address(self, node: int) -> str:
        """Return the address of a node."""
        return f"http://node{node}"

    def versions(self) -> dict[str, int]:
        """Return the version of each document."""
        return {identity: document.version for identity, document in self.snapshot().items()}

    def snapshot(self) -> dict[str, Document]:
        """Return the documents as they are now, while others may be writing."""
        with self._lock:
            return dict(self.documents)

    def _note(self, node: int, body: bytes, status: int | None) -> None:
        rows = read_rows(body) or []
        self.requests.append(Request(node, len(body), tuple(row.id for row in rows), status))

    def _answer(self, node: int, body: bytes) -> BulkAnswer:
        if self.clock() < self._nodes[node].back_at:
            raise NodeUnreachableError(f"http://node{node}: connection refused")
        if len(body) > self.max_bytes:
            return BulkAnswer(413, None)
        if len(body) > self.memory_bytes:
            return _request_error(429, "es_rejected_execution_exception")
        rows = read_rows(body)
        if rows is None:
            return _request_error(400, "illegal_argument_exception")
        if any(len(row.id.encode()) > MAX_ID_BYTES or self.spoils(row) for row in rows):
            return _request_error(400, "action_request_validation_exception")
        return self._misbehave(node, rows, next(self._script, None))

    def _misbehave(self, node: int, rows: list[Row], fault: Fault | None) -> BulkAnswer:
        match fault:
            case RequestFails(status, error):
                return _request_error(status, error) if error else BulkAnswer(status, None)
            case NoAnswer(executed) | NodeDies(executed=executed):
                if isinstance(fault, NodeDies):
                    self.kill(node, fault.seconds)
                if executed:
                    self._execute(rows, None)
                raise NodeUnreachableError(f"http://node{node}: timed out")
            case Slow(seconds):
                self.clock.sleep(seconds)
            case PrimaryAway(seconds):
                self._no_primary_until = self.clock() + seconds
            case DiskFull(seconds):
                self._blocked_until = self.clock() + seconds
        return self._execute(rows, fault if isinstance(fault, ItemsFail) else None)

    def _execute(self, rows: list[Row], fault: ItemsFail | None) -> BulkAnswer:
        items = [self._item(row, fault if fault and fault.hits(place) else None) for place, row in enumerate(rows)]
        return BulkAnswer(200, {"errors": any("error" in item["index"] for item in items), "items": items})

    def _item(self, row: Row, fault: ItemsFail | None) -> dict[str, Any]:
        if fault:
            return _item_error(fault.status, fault.error)
        if self.clock() < self._blocked_until:
            return _item_error(BLOCKED.status, BLOCKED.error)
        if self.clock() < self._no_primary_until and zlib.crc32(row.id.encode()) % 3 == 0:
            return _item_error(NO_PRIMARY.status, NO_PRIMARY.error)
        if self.refuses(row):
            return _item_error(400, "document_parsing_exception")
        known = self.documents.get(row.id)
        if known and known.version > row.version:
            return _item_error(409, "version_conflict_engine_exception")
        self.documents[row.id] = Document(row.version, row.source)
        return {"index": {"status": 200 if known else 201}}


def read_rows(body: bytes) -> list[Row] | None:
    """Return the rows of a bulk body; None for one that the server would refuse as a whole."""
    lines = body.split(b"\n")
    if lines.pop() or len(lines) % 2 or not lines:
        return None
    rows = []
    for action, source in zip(lines[::2], lines[1::2], strict=True):
        meta = json.loads(action)["index"]
        if meta.get("version_type") != "external_gte" or not isinstance(meta["_id"], str):
            return None
        rows.append(Row(meta["_id"], meta["version"], json.loads(source)))
    return rows


def bulk_row(identity: str, version: int, **source: Any) -> bytes:
    """Return the two lines of one row."""
    action = {"index": {"_id": identity, "version": version, "version_type": "external_gte"}}
    return f"{json.dumps(action)}\n{json.dumps(source)}\n".encode()


def _item_error(status: int, error: str) -> dict[str, Any]:
    return {"index": {"status": status, "error": {"type": error, "reason": f"{error}, said the fake"}}}


def _request_error(status: int, error: str) -> BulkAnswer:
    return BulkAnswer(status, {"error": {"type": error, "reason": f"{error}, said the fake"}, "status": status})
