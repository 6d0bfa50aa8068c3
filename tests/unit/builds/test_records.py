"""Which documents of airlsh-runs are builds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lsh_core.builds.alias_moves import AliasMove, AliasMoves
from lsh_core.builds.records import BuildRecords
from lsh_core.errors import NotFoundError
from lsh_core.live.watermark import SourceWatermark, note_dropped
from tests.fakes.memory_server import MemoryServer


@pytest.fixture
def server() -> Any:
    return MemoryServer()


def test_what_is_kept_beside_the_builds_is_none(server: Any) -> None:
    runs = BuildRecords(server)
    note_dropped(server, "docs", SourceWatermark("2026-01-01T00:00:00.000+00:00", 7))
    AliasMoves(server).write("run 1", replace(AliasMove("docs", "b1", None), live="airlsh-docs-b1"))
    others = {id for _, id in server.documents}
    assert {id.partition("/")[0] for id in others} == {"cover", "move"}
    for each in [*others, "", "b1"]:
        with pytest.raises(NotFoundError, match="airlsh builds list docs"):
            runs.get("docs", each)
    with pytest.raises(NotFoundError, match="nothing was indexed"):
        runs.latest("docs")


def test_a_build_is_found_by_its_name_only(server: Any) -> None:
    runs = BuildRecords(server)
    for build in ("b1", "b2"):
        runs.start("docs", build, {"index": build})
        runs.update(build, started_at=f"2026-01-0{build[1]}T00:00:00+00:00")
    assert runs.get("docs", "b1")["index"] == "b1"
    assert runs.find("other", "b1") is None
    assert runs.latest("docs")["build"] == "b2"


def test_what_is_replaced_keeps_nothing_of_what_was_there(server: Any) -> None:
    runs = BuildRecords(server)
    runs.start("docs", "b1", {"index": "b1", "evaluation": {"recall_at": {"1": 1.0, "7": 0.9}}})
    runs.replace("b1", evaluation={"recall_at": {"1": 0.8}})
    assert runs.get("docs", "b1")["evaluation"] == {"recall_at": {"1": 0.8}}
