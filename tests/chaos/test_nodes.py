"""Nodes that go away and come back, hang, refuse to write, or die at a later stage: the run completes, exactly."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from lsh_core.local.cluster import ElasticsearchCluster
from lsh_core.local.dask_cluster import DaskCluster
from tests.chaos.contents import finished_times
from tests.chaos.nodes import NodeArena, story_of

AWAY_SECONDS = 30
HANG_SECONDS = 60
BLOCK_SECONDS = 10
HELD_SECONDS = 50
"""The cluster drops a node that hangs after some 30 s; writes to a shard that it had go on then."""
BOUND_SECONDS = 120


@pytest.fixture
def arena(
    request: pytest.FixtureRequest, tmp_path: Path, three_nodes: ElasticsearchCluster, dask_cluster: DaskCluster
) -> Iterator[NodeArena]:
    """A new name for the test."""
    name = request.node.name.removeprefix("test_").translate(str.maketrans("_[]", "---")).strip("-")[:60]
    made = NodeArena(name, tmp_path, three_nodes, dask_cluster)
    yield made
    made.close()


def test_without_replicas_a_node_that_comes_back_is_waited_for(arena: NodeArena) -> None:
    victim = arena.plain()
    command = arena.index("--replicas", "0")
    arena.in_the_middle(command, victim)
    arena.nodes.kill_node(victim)
    try:
        time.sleep(AWAY_SECONDS)  # The absence is what is tested.
        assert command.runs
    finally:
        arena.nodes.restart_node(victim)

    report = command.report()

    arena.assert_exact(report, victim)
    assert story_of(report, arena.nodes.urls[victim])["unreachable"] > 0
    assert sum(story.get("waited_for_primary", 0) for story in report["nodes"]) > 0


@pytest.mark.parametrize("stage", ["create", "load", "finalize", "verify"])
@pytest.mark.parametrize("who", ["plain", "master"])
def test_a_node_dies_after(arena: NodeArena, stage: str, who: str) -> None:
    """Right after a stage: in the middle of the load, in the merge, in verification, or in the promotion."""
    victim = arena.master() if who == "master" else arena.plain()
    command = arena.index("--replicas", "1")
    build = arena.in_the_middle(command, victim)
    arena.wait_for_stage(command, build, stage, victim)
    arena.nodes.kill_node(victim)
    died_at = time.monotonic()
    try:
        report = command.report()
        assert time.monotonic() - died_at < BOUND_SECONDS
        status = arena.client(victim).cluster.health(index=report["index"])["status"]
    finally:
        arena.nodes.restart_node(victim)

    arena.assert_exact(report, victim)
    assert status == "yellow"  # Promoted with the copies that were left.


@pytest.mark.parametrize("who", ["plain", "master"])
def test_a_node_that_hangs_is_left_and_comes_back(arena: NodeArena, who: str) -> None:
    victim = arena.master() if who == "master" else arena.plain()
    command = arena.index("--replicas", "1")
    build = arena.in_the_middle(command, victim)
    arena.nodes.suspend_node(victim)
    hung_at = time.time()
    try:
        time.sleep(HANG_SECONDS)
    finally:
        arena.nodes.resume_node(victim)

    report = command.report()

    arena.assert_exact(report, victim)
    for url in set(arena.nodes.urls) - {arena.nodes.urls[victim]}:
        story = story_of(report, url)
        assert story.get("unreachable", 0) == 0, f"a healthy node was taken for dead: {story}"
    # The load stands still until the server drops the node. A new master must be elected first if it was that one:
    # then the node may be woken before.
    finished = [at - hung_at for at in finished_times(arena.client(victim), build)]
    held, went_on = max((after - before, after) for before, after in pairwise(finished) if after > 0)
    later = sum(went_on <= at < HANG_SECONDS for at in finished)
    print(f"{who}: {held:.1f} s without a chunk, up to {went_on:.1f} s after the stop; then {later} before it woke")
    assert went_on < (HELD_SECONDS if who == "plain" else HANG_SECONDS + HELD_SECONDS)


def test_nobody_waits_for_a_node_without_shards_that_hangs(arena: NodeArena) -> None:
    victim = arena.plain()
    with arena.no_shards_on(victim):
        command = arena.index("--replicas", "0")
        build = arena.in_the_middle(command, victim)
        arena.nodes.suspend_node(victim)
        hung_at = time.time()
        try:
            time.sleep(HANG_SECONDS)
            meanwhile = [at - hung_at for at in finished_times(arena.client(victim), build) if at > hung_at]
        finally:
            arena.nodes.resume_node(victim)
        report = command.report()

    arena.assert_exact(report, victim)
    assert len(meanwhile) >= 10
    gaps = [after - before for before, after in zip([0.0, *meanwhile], meanwhile, strict=False)]
    assert max(gaps) < 15, f"the others stood still: {gaps}"


def test_a_block_on_writes_is_waited_out(arena: NodeArena) -> None:
    command = arena.index()
    victim = arena.plain()
    build = arena.in_the_middle(command, victim)
    block, client = "index.blocks.read_only_allow_delete", arena.client(victim)
    index = f"airlsh-{arena.name}-{build}"
    client.indices.put_settings(index=index, settings={block: True})
    try:
        time.sleep(BLOCK_SECONDS)
        assert command.runs
    finally:
        client.indices.put_settings(index=index, settings={block: None})

    report = command.report()

    arena.assert_exact(report, victim)
    assert sum(story.get("blocked", 0) for story in report["nodes"]) > 0
