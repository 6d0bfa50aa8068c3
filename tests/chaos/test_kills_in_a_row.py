"""One run, and everything that it needs is killed in turn: a Dask worker, its node and itself, the scheduler."""

from __future__ import annotations

from tests.chaos.arena import LATEST_KILL, LOADERS, Arena
from tests.chaos.contents import assert_ledger_is_covered, assert_not_sent_again, read_ledger


def test_everything_is_killed_in_one_run(arena: Arena, seed: int) -> None:
    command = arena.index()
    arena.wait_for_a_random_moment(lambda: command.runs, maximum=30)
    arena.dask.kill_worker(arena.random.randrange(2))

    build = arena.wait_for_a_random_moment(lambda: command.runs, minimum=31, maximum=60)
    first, held = read_ledger(arena.client, build), arena.documents(build)
    arena.nodes.kill_node(0)
    assert command.kill(), f"seed {seed}: the run was over before the kill"
    arena.nodes.restart_node(0)
    index = f"airlsh-{arena.name}-{build}"
    assert assert_ledger_is_covered(arena.client, index, build, arena.model, seed=seed) >= len(first) > 30

    command = arena.resume(build)
    arena.wait_for_a_random_moment(lambda: command.runs, minimum=len(first), maximum=LATEST_KILL)
    arena.dask.kill_scheduler()
    second, documents = read_ledger(arena.client, build), arena.documents(build)
    arena.dask.restart()
    # The run itself may find the new scheduler in time; if it does not, it fails and is gone on with.
    report = command.report() if command.wait() == 0 else arena.resume(build).report()

    assert report["build"] == build
    arena.assert_exact(report)
    assert_not_sent_again(arena.client, index, build, first, held, seed=seed, unanswered=LOADERS)
    assert_not_sent_again(arena.client, index, build, second, documents, seed=seed)
