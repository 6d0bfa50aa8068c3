"""Bounded request queue per node, so that a hung node blocks only its own queue."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from lsh_core.loading.bulk_sender import BulkSender, SendReport

_OPEN_REQUESTS_PER_THREAD = 2
_MIN_THREADS = 2
STEAL_AFTER_SECONDS = 1.0


class NodeQueues:
    """Request queues, one per node: a few posting threads, and as many waiting requests.

    The total room bounds the memory. A request whose home queue stays full goes through another queue. From then on the
    full queue is skipped at once, until one of its requests ends.

    Parameters
    ----------
    threads
        Number of posting threads with one node. With more nodes, each node has fewer threads, but at least two.
    patience_seconds
        Seconds that a request waits for room in its home queue before it may go to another node.
    """

    def __init__(
        self, sender: BulkSender, nodes: int, threads: int, patience_seconds: float = STEAL_AFTER_SECONDS
    ) -> None:
        each = max(-(-threads // nodes), min(threads, _MIN_THREADS))
        self._sender, self._patience = sender, patience_seconds
        self._room = _OPEN_REQUESTS_PER_THREAD * each
        self._pools = [ThreadPoolExecutor(each, thread_name_prefix=f"post-{node}") for node in range(nodes)]
        self._open = [0] * nodes
        self._stuck = [False] * nodes
        self._changed = threading.Condition()

    @property
    def room(self) -> int:
        """Maximum number of open requests over all queues."""
        return self._room * len(self._pools)

    def submit(self, home: int, offsets: Sequence[int], lines: Sequence[bytes]) -> Future[SendReport]:
        """Queue a request at node `home` or at another node; block until there is room."""
        lane = self._enter(home)
        request = self._pools[lane].submit(self._sender.send, lane, offsets, lines)
        request.add_done_callback(lambda _: self._leave(lane))
        return request

    def close(self) -> None:
        """Drop the requests that have not started, and wait for the others."""
        for pool in self._pools:
            pool.shutdown(wait=False, cancel_futures=True)
        for pool in self._pools:
            pool.shutdown()

    def _enter(self, home: int) -> int:
        count = len(self._pools)
        deadline = time.monotonic() + self._patience
        with self._changed:
            while True:
                if self._open[home] < self._room:
                    lane = home
                    break
                left = deadline - time.monotonic()
                self._stuck[home] = self._stuck[home] or left <= 0
                if self._stuck[home]:
                    others = (other % count for other in range(home + 1, home + count))
                    free = next((other for other in others if self._open[other] < self._room), None)
                    if free is not None:
                        lane = free
                        break
                self._changed.wait(None if self._stuck[home] else left)
            self._open[lane] += 1
            return lane

    def _leave(self, lane: int) -> None:
        with self._changed:
            self._open[lane] -= 1
            self._stuck[lane] = False
            self._changed.notify_all()
