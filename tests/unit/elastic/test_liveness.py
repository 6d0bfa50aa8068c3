"""A request is waited for as long as its node answers pings, on a real socket that may fall silent."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.connection import Connection
from lsh_core.elastic.liveness import SilentNodeError, call_with_liveness_check, is_alive
from lsh_core.errors import UnavailableError
from tests.fakes.silent_node import QUICK, Node, serving


@pytest.fixture
def node() -> Iterator[Node]:
    with serving() as server:
        yield server


def slow(client: Any) -> int:
    return int(client.perform_request("GET", "/slow", headers={"accept": "application/json"}).meta.status)


def test_a_request_that_waits_for_another_node_is_waited_for(node: Node) -> None:
    def finish() -> None:
        while node.pings < 3:
            time.sleep(0.01)
        node.done.set()

    helper = threading.Thread(target=finish)
    helper.start()
    assert call_with_liveness_check(node.connection.client(), slow, **QUICK) == 200
    helper.join()
    assert node.pings >= 3


def test_a_silent_node_is_left(node: Node) -> None:
    node.alive.clear()
    started = time.monotonic()
    with pytest.raises(SilentNodeError, match="none to a ping"):
        call_with_liveness_check(node.connection.client(), slow, **QUICK)
    assert time.monotonic() - started < 5


def test_what_the_action_raises_is_raised_even_a_time_out(node: Node) -> None:
    def late(client: Any) -> None:
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        call_with_liveness_check(node.connection.client(), late, **QUICK)


def test_a_refusal_is_a_sign_of_life(node: Node) -> None:
    node.ping_status = 403
    assert is_alive(node.connection.client())
    node.alive.clear()
    assert not is_alive(node.connection.client(), 0.1)


def test_the_next_node_is_asked_when_one_is_silent(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "lsh_core.elastic.cluster.call_with_liveness_check",
        lambda client, action, **_: call_with_liveness_check(client, action, **QUICK),
    )
    node.alive.clear()
    both = Connection((*node.connection.urls, "http://127.0.0.1:1"))

    def act(client: Any) -> int:
        return 7 if port_of(client) == 1 else slow(client)

    assert Cluster(both).run(act) == 7
    assert Cluster(both).nodes.away() == [0]


def test_the_only_node_is_waited_for(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "lsh_core.elastic.cluster.call_with_liveness_check",
        lambda client, action, **_: call_with_liveness_check(client, action, **QUICK),
    )
    node.alive.clear()  # As on a machine with too much to do: there is no other node that could do it sooner.
    threading.Timer(0.6, node.done.set).start()
    cluster = Cluster(node.connection)
    assert cluster.run(slow) == 200
    node.done.clear()
    with pytest.raises(UnavailableError, match="none to a ping"):
        cluster.waiting(0).run(slow, longest_seconds=60)


def port_of(client: Any) -> int:
    return int(next(iter(client.transport.node_pool.all())).config.port)
