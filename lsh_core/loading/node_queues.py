"""One bounded queue of bulk requests per node, and threads that send them.

A request that waits longer than a second for room in a queue goes to the queue of another node. So a hung node does not
stop the load.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from lsh_core.loading.bulk_sender import BulkSender, SendReport

_OPEN_REQUESTS_PER_THREAD = 2
_MIN_THREADS = 2
STEAL_AFTER_SECONDS = 1.0
"""Default wait for room in the home queue."""


class NodeQueues:
    """Request queues, one per node: a few posting threads, and as many waiting requests.

    The total room bounds the memory. A request whose home queue stays full goes to the queue of another node. From then
    on the full queue is skipped at once, until one of its requests ends.

    Parameters
    ----------
    threads
        Number of posting threads with one node. With more nodes, each node has fewer threads, but at least two if
        `threads` is two or more.
    steal_after_seconds
        Seconds that a request waits for room in its home queue before another queue may take it.
    """

    def __init__(
        self, sender: BulkSender, nodes: int, threads: int, steal_after_seconds: float = STEAL_AFTER_SECONDS
    ) -> None:
        each = max(-(-threads // nodes), min(threads, _MIN_THREADS))
        self._sender, self._steal_after_seconds = sender, steal_after_seconds
        self._room = _OPEN_REQUESTS_PER_THREAD * each
        self._threads = [ThreadPoolExecutor(each, thread_name_prefix=f"post-{node}") for node in range(nodes)]
        self._open = [0] * nodes
        self._skipped = [False] * nodes
        self._changed = threading.Condition()

    @property
    def room(self) -> int:
        """Maximum number of open requests over all queues."""
        return self._room * len(self._threads)

    def submit(self, home: int, offsets: Sequence[int], lines: Sequence[bytes]) -> Future[SendReport]:
        """Queue a request at node `home` or at another node; block until there is room."""
        node = self._enter(home)
        request = self._threads[node].submit(self._sender.send, node, offsets, lines)
        request.add_done_callback(lambda _: self._leave(node))
        return request

    def close(self) -> None:
        """Drop the requests that have not started, and wait for the others."""
        for threads in self._threads:
            threads.shutdown(wait=False, cancel_futures=True)
        for threads in self._threads:
            threads.shutdown()

    def _enter(self, home: int) -> int:
        count = len(self._threads)
        deadline = time.monotonic() + self._steal_after_seconds
        with self._changed:
            while True:
                if self._open[home] < self._room:
                    node = home
                    break
                left = deadline - time.monotonic()
                self._skipped[home] = self._skipped[home] or left <= 0
                if self._skipped[home]:
                    others = (other % count for other in range(home + 1, home + count))
                    free = next((other for other in others if self._open[other] < self._room), None)
                    if free is not None:
                        node = free
                        break
                self._changed.wait(None if self._skipped[home] else left)
            self._open[node] += 1
            return node

    def _leave(self, node: int) -> None:
        with self._changed:
            self._open[node] -= 1
            self._skipped[node] = False
            self._changed.notify_all()
