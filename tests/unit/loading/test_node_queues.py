from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from lsh_core.loading.bulk_sender import SendReport
from lsh_core.loading.node_queues import NodeQueues


class Sender:
    """Notes which queue each request went through; a queue may be held."""

    def __init__(self, *, held: int | None = None) -> None:
        self.sent: list[int] = []
        self.held, self.go_on, self.begun = held, threading.Event(), threading.Event()

    def send(self, home: int, offsets: Sequence[int], lines: Sequence[bytes]) -> SendReport:
        self.begun.set()
        if home == self.held:
            assert self.go_on.wait(60)
        self.sent.append(home)
        return SendReport()


def test_requests_go_through_their_home_queue() -> None:
    sender = Sender()
    queues = NodeQueues(sender, 3, 2)  # type: ignore[arg-type]
    for home in (2, 0, 1, 2):
        queues.submit(home, [0], [b"x"]).result()
    queues.close()
    assert sender.sent == [2, 0, 1, 2]


def test_a_queue_that_stays_full_is_passed_over_and_keeps_no_other_waiting() -> None:
    sender = Sender(held=0)
    queues = NodeQueues(sender, 3, 2, steal_after_seconds=0.01)  # type: ignore[arg-type]
    requests = [queues.submit(0, [0], [b"x"]) for _ in range(20)]  # Returns although node 0 answers none of them.
    waiting = [request for request in requests if not request.done()]
    sender.go_on.set()
    for request in requests:
        request.result()
    queues.close()
    assert sender.sent.count(0) == queues.room // 3
    assert len(waiting) >= queues.room // 3
    assert len(sender.sent) == 20


@pytest.mark.parametrize(("nodes", "threads", "room"), [(1, 1, 2), (1, 3, 6), (3, 2, 12), (3, 9, 18), (20, 2, 80)])
def test_room_is_bounded_by_node(nodes: int, threads: int, room: int) -> None:
    queues = NodeQueues(Sender(), nodes, threads)  # type: ignore[arg-type]
    assert queues.room == room
    queues.close()


def test_closing_drops_what_nobody_began() -> None:
    sender = Sender(held=0)
    queues = NodeQueues(sender, 1, 1)  # type: ignore[arg-type]
    begun, waiting = queues.submit(0, [0], [b"x"]), queues.submit(0, [1], [b"y"])
    assert sender.begun.wait(60)
    threading.Timer(0.05, sender.go_on.set).start()
    queues.close()
    assert begun.done()
    assert not begun.cancelled()
    assert waiting.cancelled()
