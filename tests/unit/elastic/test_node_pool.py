from __future__ import annotations

from itertools import pairwise

from lsh_core.elastic.node_pool import (
    FIRST_OPEN_SECONDS,
    MAX_OPEN_SECONDS,
    MAX_OPEN_SECONDS_OF_ALL,
    NodePool,
)
from tests.fakes.bulk_cluster import FakeClock


def test_homes_go_round() -> None:
    ring = NodePool(3)
    assert [ring.next_home() for _ in range(7)] == [0, 1, 2, 0, 1, 2, 0]


def test_a_node_hung_until_it_answers() -> None:
    ring = NodePool(2, clock=FakeClock())
    ring.failed(0)
    assert not ring.hung(0)
    ring.failed(0, hung=True)
    ring.failed(0)
    assert ring.hung(0)
    assert not ring.hung(1)
    ring.answered(0)
    assert not ring.hung(0)


def test_a_failed_node_is_passed_over_for_its_neighbour_and_returns() -> None:
    clock = FakeClock()
    ring = NodePool(3, clock=clock)
    ring.failed(2)
    assert ring.take(2) == 0
    assert ring.take(1) == 1
    clock.sleep(FIRST_OPEN_SECONDS)
    assert ring.take(2) == 2


def test_quarantine_doubles_up_to_a_limit() -> None:
    clock = FakeClock()
    ring = NodePool(2, clock=clock)
    lengths = []
    for _ in range(8):
        ring.failed(0)
        started = clock()
        while ring.take(0) != 0:
            clock.sleep(1)
        lengths.append(clock() - started)
    assert lengths == [2, 4, 8, 16, 32, 60, 60, 60]
    assert lengths[-1] == MAX_OPEN_SECONDS


def test_one_caller_alone_tries_a_node_whose_quarantine_ended() -> None:
    clock = FakeClock()
    ring = NodePool(2, clock=clock)
    ring.failed(0)
    clock.sleep(FIRST_OPEN_SECONDS)
    assert [ring.take(0) for _ in range(4)] == [0, 1, 1, 1]
    ring.failed(0)
    assert ring.take(0) == 1
    clock.sleep(2 * FIRST_OPEN_SECONDS)
    assert [ring.take(0) for _ in range(2)] == [0, 1]
    ring.answered(0)
    assert [ring.take(0) for _ in range(2)] == [0, 0]


def test_a_trial_that_came_to_no_answer_leaves_the_node_to_the_next() -> None:
    clock = FakeClock()
    ring = NodePool(2, clock=clock)
    ring.failed(0)
    clock.sleep(FIRST_OPEN_SECONDS)
    assert ring.take(0) == 0
    ring.release(0)
    assert [ring.take(0) for _ in range(2)] == [0, 1]
    clock.sleep(100)  # Whoever had it is gone without a word.
    assert [ring.take(0) for _ in range(2)] == [0, 1]


def test_where_no_node_answers_each_is_asked_every_few_seconds() -> None:
    clock = FakeClock()
    ring = NodePool(2, clock=clock)
    asked = []
    started = clock()
    while clock() < started + 100:
        if (node := ring.take(0)) is None:
            clock.sleep(ring.seconds_to_next())
        else:
            ring.failed(node)
            asked.append((node, clock() - started))
    for node in range(2):
        times = [at for each, at in asked if each == node]
        pauses = [after - before for before, after in pairwise(times)]
        assert max(pauses) == MAX_OPEN_SECONDS_OF_ALL
        assert min(pauses) == FIRST_OPEN_SECONDS


def test_failures_of_requests_that_were_under_way_count_once() -> None:
    clock = FakeClock()
    ring = NodePool(1, clock=clock)
    for _ in range(5):
        ring.failed(0)
    assert ring.seconds_to_next() == FIRST_OPEN_SECONDS


def test_an_answer_forgets_earlier_failures() -> None:
    clock = FakeClock()
    ring = NodePool(2, clock=clock)
    for _ in range(3):
        ring.failed(0)
        clock.sleep(MAX_OPEN_SECONDS)
    ring.answered(0)
    ring.failed(0)
    ring.failed(1)
    assert ring.seconds_to_next() == FIRST_OPEN_SECONDS


def test_how_long_a_node_was_away_counts_from_the_first_request_it_did_not_answer() -> None:
    clock = FakeClock()
    ring = NodePool(2, clock=clock)
    assert ring.answered(0) == 0
    clock.sleep(30)
    assert ring.failed(0, after=30) == 30
    clock.sleep(3)
    assert ring.failed(0, after=1) == 33
    clock.sleep(7)
    assert ring.answered(0) == 40
    assert ring.answered(0) == 0


def test_no_node_is_free_while_all_are_in_quarantine_but_one_is_named_as_a_last_resort() -> None:
    clock = FakeClock()
    ring = NodePool(2, clock=clock)
    ring.failed(0)
    assert ring.seconds_to_next() == 0
    clock.sleep(0.5)
    ring.failed(1)
    assert ring.take(0) is None
    assert ring.least_recently_failed(1) == 0
    assert ring.seconds_to_next() == FIRST_OPEN_SECONDS - 0.5
    clock.sleep(ring.seconds_to_next())
    assert ring.take(1) == 0
    assert ring.take(1) is None
    assert ring.seconds_to_next() <= 0.5  # Others look again soon: the trial may end at any moment.


def test_every_node_has_its_turn_those_that_did_not_answer_last_and_briefly() -> None:
    clock = FakeClock()
    ring = NodePool(3, clock=clock)
    ring.failed(0)
    assert list(ring.turns(0)) == [(1, False), (2, False), (0, True)]
    clock.sleep(FIRST_OPEN_SECONDS)
    assert list(ring.turns(0)) == [(0, True), (1, False), (2, False)]
    assert list(ring.turns(0)) == [(1, False), (2, False), (0, True)]  # Another caller has it on trial.
    for node in range(3):
        ring.failed(node)
    assert sorted(ring.turns(1)) == [(0, False), (1, False), (2, False)]  # There is nobody else to ask.
