from __future__ import annotations

from collections import Counter

import pytest

from lsh_core.elastic.node_ring import FIRST_QUARANTINE_SECONDS, LONGEST_QUARANTINE_SECONDS, NodeRing
from tests.fakes import FakeClock


def test_chunks_go_round_from_the_offset() -> None:
    ring = NodeRing(3, offset=2)
    assert [ring.home(chunk) for chunk in range(7)] == [2, 0, 1, 2, 0, 1, 2]


@pytest.mark.parametrize("nodes", [1, 2, 3, 7])
@pytest.mark.parametrize("chunks", [1, 6, 100])
def test_nodes_differ_by_one_chunk_at_most(nodes: int, chunks: int) -> None:
    ring = NodeRing(nodes, offset=5)
    counts = Counter(ring.home(chunk) for chunk in range(chunks))
    shares = [counts[node] for node in range(nodes)]
    assert sum(shares) == chunks
    assert max(shares) - min(shares) <= 1


def test_a_failed_node_is_passed_over_for_its_neighbour_and_returns() -> None:
    clock = FakeClock()
    ring = NodeRing(3, clock=clock)
    ring.failed(2)
    assert ring.available(2) == 0
    assert ring.available(1) == 1
    clock.sleep(FIRST_QUARANTINE_SECONDS)
    assert ring.available(2) == 2


def test_quarantine_doubles_up_to_a_limit() -> None:
    clock = FakeClock()
    ring = NodeRing(1, clock=clock)
    lengths = []
    for _ in range(8):
        ring.failed(0)
        lengths.append(ring.seconds_to_next())
        clock.sleep(lengths[-1])
    assert lengths == [2, 4, 8, 16, 32, 60, 60, 60]
    assert lengths[-1] == LONGEST_QUARANTINE_SECONDS


def test_failures_of_requests_that_were_under_way_count_once() -> None:
    clock = FakeClock()
    ring = NodeRing(1, clock=clock)
    for _ in range(5):
        ring.failed(0)
    assert ring.seconds_to_next() == FIRST_QUARANTINE_SECONDS


def test_an_answer_forgets_earlier_failures() -> None:
    clock = FakeClock()
    ring = NodeRing(2, clock=clock)
    for _ in range(3):
        ring.failed(0)
        clock.sleep(ring.seconds_to_next() + LONGEST_QUARANTINE_SECONDS)
    ring.answered(0)
    ring.failed(0)
    ring.failed(1)
    assert ring.seconds_to_next() == FIRST_QUARANTINE_SECONDS


def test_no_node_is_available_while_all_are_in_quarantine() -> None:
    clock = FakeClock()
    ring = NodeRing(2, clock=clock)
    ring.failed(0)
    assert ring.seconds_to_next() == 0
    clock.sleep(0.5)
    ring.failed(1)
    assert ring.available(0) is None
    assert ring.seconds_to_next() == FIRST_QUARANTINE_SECONDS - 0.5
    clock.sleep(ring.seconds_to_next())
    assert ring.available(1) == 0
