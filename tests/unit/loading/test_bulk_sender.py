from __future__ import annotations

import logging
import threading
from typing import Any

import pytest

from lsh_core.elastic.node_pool import FIRST_OPEN_SECONDS, NodePool
from lsh_core.errors import AccessError, LoadError, ShardsMissingError, UnavailableError
from lsh_core.loading.bulk_sender import BulkSender
from lsh_core.loading.bulk_transport import BulkAnswer
from tests.fakes.bulk_cluster import (
    NO_ALIAS,
    NO_PERMISSION,
    NO_PRIMARY,
    TOO_BUSY,
    UNDER_PRESSURE,
    DiskFull,
    FakeCluster,
    ItemsFail,
    NoAnswer,
    PrimaryAway,
    RequestFails,
    bulk_row,
)


def make_sender(cluster: FakeCluster, *, wait_seconds: float = 300) -> BulkSender:
    ring = NodePool(cluster.nodes, clock=cluster.clock)
    return BulkSender(cluster, ring, "idx", wait_seconds, sleep=cluster.clock.sleep, clock=cluster.clock)


def lines(count: int, *, size: int = 0) -> list[bytes]:
    return [bulk_row(f"r{row}", row, text="t" * size) for row in range(count)]


def send(sender: BulkSender, rows: list[bytes], home: int = 0) -> Any:
    return sender.send(home, range(len(rows)), rows)


def test_rows_go_to_their_home_in_one_request() -> None:
    cluster = FakeCluster(3)
    report = send(make_sender(cluster), lines(5), home=1)
    assert [(request.node, request.ids) for request in cluster.requests] == [(1, ("r0", "r1", "r2", "r3", "r4"))]
    assert report.refusals == []
    assert (report.nodes[1].requests, report.nodes[1].rows, report.nodes[1].retried) == (1, 5, 0)


def test_nothing_to_send_is_no_request() -> None:
    cluster = FakeCluster(1)
    assert send(make_sender(cluster), []).refusals == []
    assert cluster.requests == []


def test_only_the_rows_that_failed_are_sent_again() -> None:
    cluster = FakeCluster(1, script=[ItemsFail(429, "es_rejected_execution_exception", mask=0b1010)])
    report = send(make_sender(cluster), lines(4))
    assert [request.ids for request in cluster.requests] == [("r0", "r1", "r2", "r3"), ("r1", "r3")]
    assert (report.nodes[0].rows, report.nodes[0].retried) == (4, 2)


def test_pauses_grow_and_have_jitter() -> None:
    cluster = FakeCluster(1, script=[TOO_BUSY] * 12)
    pauses: list[float] = []
    sender = make_sender(cluster)
    sender.sleep = lambda seconds: (pauses.append(seconds), cluster.clock.sleep(seconds))[1]
    send(sender, lines(1))
    assert len(pauses) == 12
    for attempt, pause in enumerate(pauses, start=1):
        longest = min(0.1 * 2**attempt, 10)
        assert longest / 2 <= pause <= longest


def test_a_superseded_row_is_no_error() -> None:
    cluster = FakeCluster(1)
    sender = make_sender(cluster)
    sender.send(0, [0], [bulk_row("a", 9, text="new")])
    report = sender.send(0, [0], [bulk_row("a", 3, text="old")])
    assert report.refusals == []
    assert report.nodes[0].rows == 1
    assert cluster.documents["a"] == (9, {"text": "new"})


def test_an_executed_request_without_an_answer_changes_nothing_when_repeated() -> None:
    cluster = FakeCluster(2, script=[NoAnswer(executed=True)])
    report = send(make_sender(cluster), lines(3))
    assert cluster.versions() == {"r0": 0, "r1": 1, "r2": 2}
    assert [request.node for request in cluster.requests] == [0, 1]
    assert sum(tally.rows for tally in report.nodes.values()) == 3
    assert report.nodes[0].retried == 3


def test_hand_over_and_return_of_a_node() -> None:
    cluster = FakeCluster(3)
    sender = make_sender(cluster)
    cluster.kill(1)
    send(sender, lines(1), home=1)
    send(sender, lines(1), home=1)
    assert [request.node for request in cluster.requests] == [1, 2, 2]  # Asked once, then left alone.
    cluster.restart(1)
    cluster.clock.sleep(FIRST_OPEN_SECONDS)
    send(sender, lines(1), home=1)
    assert cluster.requests[-1].node == 1


def test_one_dead_node_of_three_holds_nobody_up() -> None:
    cluster = FakeCluster(3)
    cluster.kill(0)
    sender = make_sender(cluster)
    started = cluster.clock()
    for chunk in range(30):
        row = bulk_row(f"c{chunk}", chunk)
        sender.send(sender.home(chunk), [0], [row])
    assert len(cluster.documents) == 30
    assert cluster.clock() == started  # No pause: a neighbour took over at once.


def test_all_nodes_away_for_a_while_is_waited_for() -> None:
    cluster = FakeCluster(2)
    for node in range(2):
        cluster.kill(node, seconds=100)
    send(make_sender(cluster), lines(2))
    assert set(cluster.documents) == {"r0", "r1"}
    assert len(cluster.requests) < 30  # Quarantine grows: nobody hammers at the door.


def test_no_node_in_time_is_said_with_the_last_reason() -> None:
    cluster = FakeCluster(2)
    for node in range(2):
        cluster.kill(node)
    with pytest.raises(UnavailableError, match="connection refused") as raised:
        send(make_sender(cluster, wait_seconds=30), lines(2))
    assert raised.value.waited_seconds == 30


@pytest.mark.parametrize("fatal", [NO_PERMISSION, RequestFails(401, "security_exception")])
def test_a_user_who_may_not_write_ends_at_once(fatal: Any) -> None:
    cluster = FakeCluster(3, script=[fatal])
    with pytest.raises(AccessError):
        send(make_sender(cluster), lines(2))
    assert len(cluster.requests) == 1


@pytest.mark.parametrize("fatal", [NO_ALIAS, RequestFails(404, "x")])
def test_a_run_that_may_not_write_ends_at_once(fatal: Any) -> None:
    cluster = FakeCluster(3, script=[fatal])
    with pytest.raises(LoadError, match=fatal.error) as raised:
        send(make_sender(cluster), lines(2))
    assert raised.value.index == "idx"
    assert len(cluster.requests) == 1


def test_too_large_a_request_is_split_and_one_row_always_travels() -> None:
    cluster = FakeCluster(1, max_bytes=250)
    report = send(make_sender(cluster), lines(8, size=50))
    assert len(cluster.documents) == 8
    assert report.refusals == []


def test_a_row_that_is_too_large_by_itself_is_refused_alone() -> None:
    rows = [*lines(3), bulk_row("huge", 3, text="t" * 5000), *[bulk_row("last", 4)]]
    cluster = FakeCluster(1, max_bytes=1000)
    report = send(make_sender(cluster), rows)
    assert [(refusal.offset, refusal.error) for refusal in report.refusals] == [(3, "request_too_large")]
    assert set(cluster.documents) == {"r0", "r1", "r2", "last"}


def test_a_request_that_is_above_the_nodes_limit_for_ever_is_split_after_one_retry() -> None:
    cluster = FakeCluster(1, memory_bytes=400)
    send(make_sender(cluster), lines(8, size=50))
    assert len(cluster.documents) == 8
    whole = [request for request in cluster.requests if len(request.ids) == 8]
    assert [request.status for request in whole] == [429, 429]


def test_passing_pressure_does_not_split() -> None:
    cluster = FakeCluster(1, script=[UNDER_PRESSURE])
    send(make_sender(cluster), lines(8))
    assert [len(request.ids) for request in cluster.requests] == [8, 8]


def test_the_row_that_spoils_a_request_is_found_by_halving() -> None:
    rows = lines(64)
    rows[37] = bulk_row("x" * 513, 37)
    cluster = FakeCluster(1)
    report = send(make_sender(cluster), rows)
    assert [(refusal.offset, refusal.error) for refusal in report.refusals] == [
        (37, "action_request_validation_exception")
    ]
    assert len(cluster.documents) == 63
    assert len(cluster.requests) <= 2 * 6 + 1


def test_senders_wait_for_a_primary_that_is_away(caplog: pytest.LogCaptureFixture) -> None:
    cluster = FakeCluster(3, script=[PrimaryAway(seconds=40)])
    started = cluster.clock()
    with caplog.at_level(logging.WARNING, "lsh_core"):
        send(make_sender(cluster), lines(30))
    assert len(cluster.documents) == 30
    assert 40 <= cluster.clock() - started <= 45
    assert len(cluster.requests) == 2  # No row is sent while the index says that it is not ready.
    assert {request.node for request in cluster.requests} == {0}  # Another node cannot help.
    assert "a primary shard is missing" in caplog.text


def test_a_primary_that_stays_away_is_named_when_the_wait_is_over() -> None:
    cluster = FakeCluster(3, script=[PrimaryAway(seconds=10_000)])
    sender = make_sender(cluster, wait_seconds=60)
    sender.ring.failed(2)
    with pytest.raises(ShardsMissingError, match="shard 1 of 3") as raised:
        send(sender, lines(30))
    assert raised.value.silent_nodes == ("http://node2",)
    assert raised.value.last.startswith("unavailable_shards_exception")
    assert any("can be resumed" in note for note in raised.value.__notes__)


def test_a_request_is_tried_once_more_before_it_is_given_up() -> None:
    cluster = FakeCluster(2)
    sender = make_sender(cluster, wait_seconds=1)  # Less than the shortest quarantine.
    for node in range(2):
        cluster.kill(node, seconds=0.5)
    send(sender, lines(2))
    assert set(cluster.documents) == {"r0", "r1"}


def test_a_request_that_breaks_off_gives_the_trial_of_its_node_back() -> None:
    class Broken(FakeCluster):
        def post(self, node: int, body: bytes) -> BulkAnswer:
            raise LoadError("idx", "http://node0", "a certificate does not mend itself")

    sender = make_sender(Broken(2))
    sender.ring.failed(0)
    sender.clock.sleep(FIRST_OPEN_SECONDS)  # type: ignore[attr-defined]
    with pytest.raises(LoadError):
        send(sender, lines(1))
    assert sender.ring.take(0) == 0


def test_troubles_of_a_node_are_told_apart() -> None:
    cluster = FakeCluster(2, script=[TOO_BUSY, PrimaryAway(5), DiskFull(5), NoAnswer(executed=False)])
    report = send(make_sender(cluster), lines(6))
    tally = report.nodes[0]
    assert (tally.too_busy, tally.blocked, tally.unreachable) == (1, 1, 1)
    assert 0 < tally.waited_for_primary < 6
    assert tally.rows + report.nodes[1].rows == 6


def test_an_index_that_only_looks_healthy_is_not_hammered() -> None:
    cluster = FakeCluster(1, script=[NO_PRIMARY] * 10)  # Before the master notices, the health is still green.
    started = cluster.clock()
    send(make_sender(cluster), lines(2))
    assert cluster.clock() - started >= 10


def test_a_full_disk_is_named_and_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    cluster = FakeCluster(1, script=[DiskFull(seconds=100)])
    with caplog.at_level(logging.WARNING, "lsh_core"):
        send(make_sender(cluster), lines(3))
    assert len(cluster.documents) == 3
    assert len(cluster.requests) < 10
    assert "free disk space" in caplog.text


def test_a_row_that_never_goes_through_ends_the_wait_although_its_neighbour_did() -> None:
    stuck = ItemsFail(429, "es_rejected_execution_exception", mask=0b10)
    cluster = FakeCluster(1, script=[stuck, *[TOO_BUSY] * 10_000])
    started = cluster.clock()
    with pytest.raises(UnavailableError, match="1 rows"):
        send(make_sender(cluster, wait_seconds=60), lines(2))
    assert cluster.clock() - started < 80


def test_an_answer_about_another_number_of_rows_is_not_believed() -> None:
    class Forgetful(FakeCluster):
        def post(self, node: int, body: bytes) -> BulkAnswer:
            answer = super().post(node, body)
            return BulkAnswer(200, {**answer.body, "items": answer.body["items"][:-1]})

    with pytest.raises(LoadError, match="has 1 rows"):
        send(make_sender(Forgetful(1)), lines(2))


def test_offsets_of_refused_rows_are_those_of_the_chunk() -> None:
    cluster = FakeCluster(1, refuses=lambda row: row.id in ("r1", "r3"))
    report = make_sender(cluster).send(0, [10, 20, 30, 40], lines(4))
    assert [refusal.offset for refusal in report.refusals] == [20, 40]
    assert all("said the fake" in refusal.reason for refusal in report.refusals)


def test_threads_share_a_sender() -> None:
    cluster = FakeCluster(3, script=[TOO_BUSY, PrimaryAway(5), NoAnswer(executed=True), None] * 5)
    sender = make_sender(cluster, wait_seconds=10**9)
    taken: list[int] = []

    def work(thread: int) -> None:
        for request in range(10):
            rows = [bulk_row(f"{thread}-{request}-{row}", row) for row in range(4)]
            report = sender.send(thread % 3, range(4), rows)
            taken.append(sum(tally.rows for tally in report.nodes.values()))

    threads = [threading.Thread(target=work, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert taken == [4] * 40
    assert len(cluster.documents) == 160


def test_once_one_request_gave_up_the_others_do_not_wait_as_long_again() -> None:
    cluster = FakeCluster(3, script=[PrimaryAway(seconds=10_000)])
    sender = make_sender(cluster, wait_seconds=60)
    with pytest.raises(ShardsMissingError) as first:
        send(sender, lines(30))
    given_up_at = cluster.clock()
    with pytest.raises(ShardsMissingError) as second:
        send(sender, lines(30), home=1)
    assert cluster.clock() - given_up_at <= 2
    assert second.value.args == first.value.args
    assert second.value is not first.value


def test_a_sender_that_gave_up_still_sends_what_meets_no_trouble() -> None:
    cluster = FakeCluster(3, script=[PrimaryAway(seconds=10_000)])
    sender = make_sender(cluster, wait_seconds=60)
    with pytest.raises(ShardsMissingError):
        send(sender, lines(30))
    taken = len(cluster.documents)
    reachable = [bulk_row(identity, 99) for identity in list(cluster.documents)[:2]]
    assert send(sender, reachable).refusals == []
    assert len(cluster.documents) == taken


def test_rows_of_a_missing_shard_are_named() -> None:
    cluster = FakeCluster(1, script=[PrimaryAway(seconds=10_000)])
    with pytest.raises(ShardsMissingError) as raised:
        send(make_sender(cluster, wait_seconds=60), lines(30))
    lost = sorted({f"r{row}" for row in range(30)} - cluster.documents.keys(), key=lambda each: int(each[1:]))
    assert raised.value.__notes__[0] == (
        f"{len(lost)} rows of one request belong there, such as ids '{lost[0]}', '{lost[1]}', '{lost[2]}'."
    )
