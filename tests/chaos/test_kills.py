"""SIGKILL at random moments, then resume: the index ends with the source's rows, and nothing done is done again.

Of the long form alone; in ``make test`` all of them are killed in one run (``test_kills_in_a_row.py``).
"""

from __future__ import annotations

from tests.chaos.arena import LOADERS, Arena
from tests.chaos.contents import assert_ledger_is_covered, assert_not_sent_again, read_ledger


def test_killed_command_is_resumed(arena: Arena, seed: int) -> None:
    command = arena.index()
    build = arena.wait_for_a_random_moment(lambda: command.runs)
    assert command.kill(), f"seed {seed}: the run was over before the kill"
    entries, documents = read_ledger(arena.client, build), arena.documents(build)

    report = arena.resume(build).report()

    assert report["build"] == build
    arena.assert_exact(report)
    assert_not_sent_again(arena.client, report["index"], build, entries, documents, seed=seed)


def test_killed_worker_is_replaced(arena: Arena, seed: int) -> None:
    command = arena.index()
    build = arena.wait_for_a_random_moment(lambda: command.runs)
    arena.dask.kill_worker(arena.random.randrange(2))
    assert command.runs, f"seed {seed}: the run was over before the kill"
    entries, documents = read_ledger(arena.client, build), arena.documents(build)

    report = command.report()

    arena.assert_exact(report)
    assert_not_sent_again(arena.client, report["index"], build, entries, documents, seed=seed)


def test_killed_scheduler_is_restarted(arena: Arena, seed: int) -> None:
    command = arena.index()
    build = arena.wait_for_a_random_moment(lambda: command.runs)
    arena.dask.kill_scheduler()
    assert command.runs, f"seed {seed}: the run was over before the kill"
    entries, documents = read_ledger(arena.client, build), arena.documents(build)
    arena.dask.restart()

    # The run itself may find the new scheduler in time; if it does not, it fails and is gone on with.
    report = command.report() if command.wait() == 0 else arena.resume(build).report()

    assert report["build"] == build
    arena.assert_exact(report)
    assert_not_sent_again(arena.client, report["index"], build, entries, documents, seed=seed)


def test_acknowledged_chunks_survive_their_node(arena: Arena, seed: int) -> None:
    command = arena.index("--replicas", "0", "--shards", "3")  # What the node held is nowhere else.
    build = arena.wait_for_a_random_moment(lambda: command.runs, minimum=1)
    entries, documents = read_ledger(arena.client, build), arena.documents(build)
    arena.nodes.kill_node(0)
    assert command.kill(), f"seed {seed}: the run was over before the kill"
    arena.nodes.restart_node(0)

    index = f"airlsh-{arena.name}-{build}"
    assert assert_ledger_is_covered(arena.client, index, build, arena.model, seed=seed) >= len(entries) >= 1
    report = arena.resume(build).report()

    arena.assert_exact(report)
    assert_not_sent_again(arena.client, index, build, entries, documents, seed=seed, unanswered=LOADERS)
