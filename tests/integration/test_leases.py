"""Leases on a real node: one holder at a time, whoever asks, and epochs that only grow."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import UTC, datetime

import pytest

from lsh_core.elastic import leases
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.connection import Connection
from lsh_core.elastic.leases import BUILD, Caller, Lease, LeaseStore, hold, release
from lsh_core.errors import LeaseHeldError, LeaseLostError
from lsh_core.local.cluster import ElasticsearchCluster
from tests.fakes.lease_holders import holder_of


@pytest.fixture
def connection(one_node: ElasticsearchCluster) -> Connection:
    return Connection(tuple(one_node.urls))


def _caller(name: str) -> Caller:
    return Caller(name, f"run {name}")


def test_of_twenty_callers_at_once_one_holds_and_the_others_are_told_who(connection: Connection) -> None:
    start, done = threading.Barrier(20), threading.Event()
    outcome: Counter[str] = Counter()
    holder: set[str] = set()
    told: set[str] = set()

    def ask(number: int) -> None:
        start.wait()
        try:
            with hold(Cluster(connection), "crowd", BUILD, Caller(None, f"caller {number}")):
                outcome["held"] += 1
                holder.add(f"caller {number}")
                done.wait(20)
        except LeaseHeldError as error:
            told.add(error.holder)
            outcome["refused"] += 1
            if outcome["refused"] == 19:
                done.set()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcome == {"held": 1, "refused": 19}
    assert told == holder


def test_epochs_grow_with_every_holder(connection: Connection) -> None:
    epochs = []
    for number in range(3):
        with hold(Cluster(connection), "growing", BUILD, _caller(str(number))) as lease:
            epochs.append(lease.epoch)
    assert epochs == sorted(set(epochs))


def test_a_kept_lease_is_its_callers_own_and_refuses_others_until_released(connection: Connection) -> None:
    one, other = _caller("one"), _caller("other")
    with hold(Cluster(connection), "kept", BUILD, one, build="b1", release=False) as first:
        pass
    with pytest.raises(LeaseHeldError, match="run one"), hold(Cluster(connection), "kept", BUILD, other, outwait=False):
        pass
    with hold(Cluster(connection), "kept", BUILD, one, build="b1", release=False) as second:
        assert second.epoch == first.epoch + 1
        found = holder_of(Cluster(connection), "kept", BUILD)
        assert found is not None
        assert (found.holder, found.build) == ("run one", "b1")
    release(Cluster(connection), "kept", BUILD, other)
    assert holder_of(Cluster(connection), "kept", BUILD) is not None, "only its holder gives a lease back"
    release(Cluster(connection), "kept", BUILD, one)
    assert holder_of(Cluster(connection), "kept", BUILD) is None
    with hold(Cluster(connection), "kept", BUILD, other) as third:
        assert third.epoch > second.epoch


def test_who_watches_need_not_wait_for_the_end_of_a_dead_holders_minute(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "HEARTBEAT_SECONDS", 0.4)
    with hold(Cluster(connection), "watched", BUILD, _caller("dead")) as lease:
        with pytest.raises(LeaseHeldError), hold(Cluster(connection), "watched", BUILD, _caller("early"), watch=True):
            pass
        lease._stopped.set()  # As if killed: no heartbeat any more, and nothing given back.
        with (
            pytest.raises(LeaseHeldError),
            hold(Cluster(connection), "watched", BUILD, _caller("other"), outwait=False),
        ):
            pass
        with hold(Cluster(connection), "watched", BUILD, _caller("again"), watch=True) as taken:
            assert taken.epoch == lease.epoch + 1


def test_the_lease_of_a_dead_holder_is_waited_for_and_the_log_says_whose_it_is_and_when_it_is_free(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(leases, "TTL_SECONDS", 4.0)
    monkeypatch.setattr(leases, "HEARTBEAT_SECONDS", 0.4)
    monkeypatch.setattr(leases, "_QUIET_SECONDS", 0.5)
    with hold(Cluster(connection), "waited-for", BUILD, _caller("dead")) as lease:
        lease._stopped.set()
        lease._thread.join()
        stored = LeaseStore(Cluster(connection)).read("waited-for", BUILD)
        assert stored is not None
        with (
            caplog.at_level("WARNING", "lsh_core.elastic.leases"),
            hold(Cluster(connection), "waited-for", BUILD, _caller("next")) as taken,
        ):
            assert taken.epoch == lease.epoch + 1
            assert datetime.now(UTC) > stored.free_at
    (line,) = (record.getMessage() for record in caplog.records if record.name == leases.__name__)
    assert "run dead holds it" in line
    assert stored.free_at.isoformat(timespec="seconds") in line


def test_a_holder_that_is_alive_is_named_with_the_time_when_its_name_is_free(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "HEARTBEAT_SECONDS", 0.4)
    with (
        hold(Cluster(connection), "busy", BUILD, _caller("first")),
        pytest.raises(LeaseHeldError, match=r"run first holds the lease 'build' since .* is running .* is killed"),
        hold(Cluster(connection), "busy", BUILD, _caller("second")),
    ):
        pass
    assert not LeaseHeldError.final, "another try may find it free"


def test_a_block_may_decide_at_its_end_whether_its_lease_is_kept(connection: Connection) -> None:
    with hold(Cluster(connection), "decided", BUILD, _caller("one"), release=False) as lease:
        lease.release = True
    assert holder_of(Cluster(connection), "decided", BUILD) is None


def test_the_lease_of_a_dead_holder_is_taken_over_and_the_dead_one_finds_out(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "TTL_SECONDS", 0.5)
    monkeypatch.setattr(leases, "HEARTBEAT_SECONDS", 0.2)
    silenced = threading.Event()
    beat = Lease._write

    def silent(self: Lease, *, released: bool) -> None:
        if not silenced.is_set():
            beat(self, released=released)

    with hold(Cluster(connection), "dead", BUILD, _caller("dead")) as lease:
        with pytest.raises(LeaseHeldError), hold(Cluster(connection), "dead", BUILD, _caller("early")):
            pass  # It beats.
        with monkeypatch.context() as patch:
            patch.setattr(Lease, "_write", silent)
            silenced.set()
            with hold(Cluster(connection), "dead", BUILD, _caller("next"), wait_seconds=10) as taken:
                assert taken.epoch == lease.epoch + 1
                patch.undo()
                assert lease._lost.wait(10)
                with pytest.raises(LeaseLostError):
                    lease.require()
                taken.require()
    found = LeaseStore(Cluster(connection)).read("dead", BUILD)
    assert found is not None
    assert found.identity == "next", "the one who lost it must not give it back"
