"""Sends a bulk request until each row is indexed or finally refused.

Every answer is judged item by item. A row leaves this module in one of two ways only: acknowledged by the server, or as
a `Refusal` with the server's reason. Any other end raises an error.
"""

from __future__ import annotations

import copy
import logging
import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import orjson

from lsh_core.elastic.bulk_answers import ItemVerdict, Verdict, judge_item, judge_request
from lsh_core.elastic.missing_privileges import SECURITY, access_error
from lsh_core.elastic.node_pool import NodePool
from lsh_core.errors import AirlshError, LoadError, ShardsMissingError, UnavailableError
from lsh_core.loading.bulk_transport import BulkAnswer, BulkTransport, NodeUnreachableError
from lsh_core.loading.node_stats import NodeStats

logger = logging.getLogger(__name__)

_FIRST_PAUSE_SECONDS = 0.1
_MAX_PAUSE_SECONDS = 10.0
_BLOCKED_PAUSE_SECONDS = 15.0
_PRIMARY_PAUSE_SECONDS = 1.0
_SHOWN_IDS = 3
_RESUME_HINT = "What is live stays live; this build can be resumed once the node that had them is back."


class Refusal(NamedTuple):
    """Row that the server finally refused, with the reason; `offset` is its offset in the chunk."""

    offset: int
    error: str
    reason: str


@dataclass
class SendReport:
    """Outcome of one request: its refused rows, and load statistics by node number.

    All other rows were indexed.
    """

    refusals: list[Refusal] = field(default_factory=list)
    nodes: defaultdict[int, NodeStats] = field(default_factory=lambda: defaultdict(NodeStats))


@dataclass
class _Part:
    """Rows that travel in one request, with the number of attempts so far."""

    offsets: Sequence[int]
    lines: Sequence[bytes]
    attempts: int = 0
    refused_whole: bool = False

    def __len__(self) -> int:
        return len(self.lines)


@dataclass
class BulkSender:
    """Sends requests round robin over a pool of nodes.

    The posting threads of one worker share the sender.

    Parameters
    ----------
    index
        Name of the index, for messages.
    wait_seconds
        Seconds after which a request fails in which no further row was acknowledged or refused. Once one request has
        failed, all others of this sender fail at their next error: the build cannot be finished without the failed
        request.
    offset
        Node of chunk 0.
    """

    transport: BulkTransport
    ring: NodePool
    index: str
    wait_seconds: float
    offset: int = 0
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    _wait_lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _over: UnavailableError | None = field(default=None, init=False)

    def home(self, chunk: int) -> int:
        """Return the node that chunk number `chunk` belongs to: (chunk + offset) mod n."""
        return (chunk + self.offset) % len(self.ring)

    def send(self, home: int, offsets: Sequence[int], lines: Sequence[bytes]) -> SendReport:
        """Send rows to node `home`, or to a neighbour if `home` does not answer.

        Parameters
        ----------
        offsets, lines
            Offset in the chunk, and the two lines of the request, of each row.

        Raises
        ------
        LoadError
            The run may not write: the alias is missing, or the index is read-only.
        AccessError
            The user lacks the privilege to write.
        UnavailableError
            No row was acknowledged or refused for `wait_seconds`; a `ShardsMissingError` where shards are gone.
        """
        report = SendReport()
        parts = [_Part(offsets, lines)] if lines else []
        deadline = self.clock() + self.wait_seconds
        last, troubled = "no node was asked", False
        while parts:
            self._require_hope(parts[-1], deadline, last, troubled=troubled)
            node = self._choose(home, deadline)
            if node is None:
                troubled = True
                continue
            part, tally = parts.pop(), report.nodes[node]
            asked_at = self.clock()
            try:
                answer = self.transport.post(node, b"".join(part.lines))
            except NodeUnreachableError as error:
                last = str(error)
                logger.warning("%s; requests go to the next node for now", last)
                tally.was_away(self.ring.failed(node, after=self.clock() - asked_at))
                tally.unreachable += 1
                tally.retried += len(part)
                parts.append(part)
                troubled = True
                continue
            except BaseException:
                self.ring.release(node)
                raise
            if answer.status in _NODE_IN_TROUBLE:
                self.ring.failed(node)  # The node may have lost its master while its neighbours have not.
            else:
                tally.was_away(self.ring.answered(node))
            again, verdict = self._judge(part, answer, report.refusals, tally)
            if sum(map(len, again)) < len(part):  # Some rows were acknowledged or refused: there is progress.
                deadline = self.clock() + self.wait_seconds
            if again:
                troubled = True
                last = f"{verdict.error}: {verdict.reason}"
                tally.sent_again(sum(map(len, again)), verdict)
                parts.extend(again)
                self._pause(verdict, again[0].attempts, deadline)
        return report

    def _require_hope(self, part: _Part, deadline: float, last: str, *, troubled: bool) -> None:
        """Raise if the deadline has passed.

        A request with errors also raises if another request of this sender has failed.
        """
        if troubled and self._over is not None:
            raise copy.deepcopy(self._over)
        if self.clock() >= deadline:
            self._over = self._given_up(part, last)
            raise self._over

    def _given_up(self, part: _Part, last: str) -> UnavailableError:
        """Return the error of a request without progress.

        It names the missing shards, if there are any, and some rows.
        """
        if missing := self.transport.missing_shards():
            silent = tuple(self.transport.address(node) for node in self.ring.away())
            error = ShardsMissingError(self.index, tuple(map(str, missing)), silent, self.wait_seconds, last)
            ids = ", ".join(repr(_id_of(lines)) for lines in part.lines[:_SHOWN_IDS])
            error.add_note(f"{len(part)} rows of one request belong there, such as ids {ids}.")
            return error.with_note(_RESUME_HINT)
        return UnavailableError(f"{self.index}: a request of {len(part)} rows", self.wait_seconds, last)

    def _choose(self, home: int, deadline: float) -> int | None:
        """Return an available node, or None after waiting for one.

        A request makes a last attempt before it fails, however long the quarantines are.
        """
        with self._wait_lock:  # A thread that waits for primaries holds this lock, so all senders wait with it.
            pass
        node = self.ring.take(home)
        if node is not None:
            return node
        pause, left = self.ring.seconds_to_next() + 0.05, deadline - self.clock()
        self.sleep(min(pause, max(left, 0.05)))
        return None if pause < left else self.ring.least_recently_failed(home)

    def _judge(
        self, part: _Part, answer: BulkAnswer, refusals: list[Refusal], tally: NodeStats
    ) -> tuple[list[_Part], ItemVerdict]:
        """Record the final rows; return the rows to send again, and the verdict that decides the pause."""
        if answer.status != 200:
            verdict = judge_request(answer.status, answer.body, rows=len(part), refused_before=part.refused_whole)
            return self._divide(part, answer.status, verdict, refusals), verdict
        items = answer.body["items"]
        if len(items) != len(part):
            raise LoadError(self.index, f"a request of {len(part)} rows", f"the answer has {len(items)} rows")
        tally.requests += 1
        if not answer.body["errors"]:
            tally.rows += len(part)
            return [], _DONE
        again: list[int] = []
        worst = _DONE
        for position, item in enumerate(items):
            verdict = judge_item(next(iter(item.values())))
            if verdict.verdict is Verdict.DONE:
                tally.rows += 1
            elif verdict.verdict is Verdict.REFUSED:
                refusals.append(Refusal(part.offsets[position], verdict.error, verdict.reason))
            elif verdict.verdict is Verdict.STOP:
                raise self._stopped("a row of a request", verdict)
            else:
                again.append(position)
                worst = _more_patient(worst, verdict)
        if not again:
            return [], _DONE
        offsets, lines = [part.offsets[row] for row in again], [part.lines[row] for row in again]
        return [_Part(offsets, lines, part.attempts + 1)], worst

    def _divide(self, part: _Part, status: int, verdict: ItemVerdict, refusals: list[Refusal]) -> list[_Part]:
        """Return the parts left to send of a request that was refused as a whole."""
        if verdict.verdict is Verdict.STOP:
            raise self._stopped(f"a request of {len(part)} rows", verdict)
        if verdict.verdict is Verdict.REFUSED:
            refusals.append(Refusal(part.offsets[0], verdict.error, verdict.reason))
            return []
        if verdict.verdict is Verdict.RETRY:
            return [_Part(part.offsets, part.lines, part.attempts + 1, refused_whole=status == 429)]
        middle = len(part) // 2
        return [
            _Part(part.offsets[half], part.lines[half], part.attempts)
            for half in (slice(middle, None), slice(None, middle))
        ]

    def _stopped(self, where: str, verdict: ItemVerdict) -> AirlshError:
        if verdict.error == SECURITY:
            return access_error(403, verdict.reason)
        return LoadError(self.index, where, f"{verdict.error}: {verdict.reason}")

    def _pause(self, verdict: ItemVerdict, attempts: int, deadline: float) -> None:
        if self._over is not None:
            return  # The next `_require_hope` raises.
        if verdict.verdict is Verdict.NO_PRIMARY:
            self._wait_for_primaries(deadline)
        elif verdict.verdict is Verdict.BLOCKED:
            logger.warning(
                "%s: writes blocked (%s): free disk space, or remove the block; waiting", self.index, verdict.reason
            )
            self.sleep(min(_BLOCKED_PAUSE_SECONDS, max(deadline - self.clock(), 0)))
        elif verdict.verdict is Verdict.RETRY:
            longest = min(_FIRST_PAUSE_SECONDS * 2**attempts, _MAX_PAUSE_SECONDS)
            self.sleep(random.uniform(longest / 2, longest))  # noqa: S311 - jitter, not a secret

    def _wait_for_primaries(self, deadline: float) -> None:
        """Hold all senders of this worker until the index has its primaries, or until the deadline."""
        if not self._wait_lock.acquire(blocking=False):
            return  # Another thread waits already; `_choose` waits for it.
        try:
            logger.warning("%s: a primary shard is missing; waiting for it", self.index)
            # At least one pause: the index looks healthy until the master has noticed that a node is gone.
            self.sleep(_PRIMARY_PAUSE_SECONDS)
            while self.clock() < deadline and not self.transport.primaries_ready():
                self.sleep(_PRIMARY_PAUSE_SECONDS)
        finally:
            self._wait_lock.release()


_NODE_IN_TROUBLE = frozenset({502, 503, 504})
_DONE = ItemVerdict(Verdict.DONE)
_PATIENCE = (Verdict.DONE, Verdict.RETRY, Verdict.NO_PRIMARY, Verdict.BLOCKED)


def _id_of(lines: bytes) -> str:
    """Return the id in the action line of a row."""
    return str(orjson.loads(lines[: lines.index(b"\n")])["index"]["_id"])


def _more_patient(one: ItemVerdict, other: ItemVerdict) -> ItemVerdict:
    return max(one, other, key=lambda verdict: _PATIENCE.index(verdict.verdict))
