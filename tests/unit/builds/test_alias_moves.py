from __future__ import annotations

from dataclasses import replace

from lsh_core.builds.alias_moves import AliasMove, AliasMoves
from lsh_core.builds.records import BuildRecords
from lsh_core.elastic.cluster import Cluster
from tests.fakes.memory_server import MemoryServer

MOVE = AliasMove("docs", "b2", "airlsh-docs-b1")


def test_a_move_is_found_by_its_name_and_run_only() -> None:
    moves = AliasMoves(Cluster(MemoryServer()))  # type: ignore[arg-type]
    moves.write("run 1", MOVE)
    assert moves.find("docs", "run 1") == MOVE
    assert moves.find("docs", "run 2") is None
    assert moves.find("other", "run 1") is None


def test_a_move_is_done_once_its_answer_is_written() -> None:
    moves = AliasMoves(Cluster(MemoryServer()))  # type: ignore[arg-type]
    moves.write("run 1", MOVE)
    assert not MOVE.is_done
    moves.write("run 1", replace(MOVE, live="airlsh-docs-b2"))
    found = moves.find("docs", "run 1")
    assert found is not None
    assert found.is_done
    assert found.live == "airlsh-docs-b2"


def test_a_move_is_no_build() -> None:
    server = MemoryServer()
    AliasMoves(Cluster(server)).write("run 1", MOVE)  # type: ignore[arg-type]
    assert BuildRecords(Cluster(server)).of("docs") == []  # type: ignore[arg-type]
