"""Readiness of a cluster by its health."""

from __future__ import annotations

from typing import Any

from lsh_core.local.readiness import STEADY_SECONDS, Readiness
from tests.fakes.bulk_cluster import FakeClock


def health(status: str = "green", *, nodes: int = 1, moving: int = 0, **indices: str) -> dict[str, Any]:
    return {
        "status": status,
        "number_of_nodes": nodes,
        "initializing_shards": moving,
        "number_of_in_flight_fetch": 0,
        "indices": {name.replace("_", "-"): {"status": each} for name, each in indices.items()},
    }


def test_a_cluster_with_all_nodes_and_shards_is_ready() -> None:
    assert Readiness().judge(health(), 1) is None
    assert Readiness().judge(health("yellow", old="yellow"), 1) is None


def test_a_node_that_is_missing_is_waited_for() -> None:
    assert Readiness().judge(health(nodes=2), 3) == "3 nodes (2 so far)"


def test_a_cluster_that_has_not_read_its_indices_yet_is_waited_for() -> None:
    assert Readiness().judge(health("red"), 1) == "its indices"


def test_shards_that_are_being_recovered_are_waited_for() -> None:
    assert Readiness().judge(health("red", old="red", moving=1), 1) == "its indices"


def test_a_red_state_index_is_waited_for_whatever_the_time() -> None:
    clock = FakeClock()
    readiness = Readiness(clock)
    for _ in range(3):
        assert readiness.judge(health("red", airlsh_runs="red"), 1) == (
            "a node that takes the primary shard of airlsh-runs"
        )
        clock.sleep(STEADY_SECONDS)


def test_a_red_index_that_nothing_moves_is_left_behind_after_a_while() -> None:
    clock = FakeClock()
    readiness = Readiness(clock)
    assert readiness.judge(health("red", old="red"), 1) == "red indices: old"
    clock.sleep(STEADY_SECONDS / 2)
    assert readiness.judge(health("red", old="red", moving=1), 1) == "its indices"
    assert readiness.judge(health("red", old="red"), 1) == "red indices: old"
    clock.sleep(STEADY_SECONDS)
    assert readiness.judge(health("red", old="red"), 1) is None
