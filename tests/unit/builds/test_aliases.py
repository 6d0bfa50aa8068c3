"""Changes of aliases, and which nodes know of them."""

from __future__ import annotations

from typing import Any

import pytest

from lsh_core.builds import aliases
from lsh_core.builds.aliases import change_aliases, live_index, require_healthy, swap
from lsh_core.elastic.cluster import Cluster
from lsh_core.errors import AliasError, PromotionConflictError, UnavailableError
from tests.fakes.lost_answers import LossyLine
from tests.fakes.memory_server import MemoryServer, refuse
from tests.fakes.stale_node import PartlyStale, StaleNode

INDEX = "airlsh-docs-b1"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A server whose second node lags behind; nobody waits for it."""
    monkeypatch.setattr(aliases, "_KNOWN_SECONDS", 0)
    made: Any = MemoryServer()
    made.create(index=INDEX, aliases=["BEFORE"])
    made.lagging = True
    return made


def moved(**options: Any) -> list[dict[str, Any]]:
    return [
        {"remove": {"index": INDEX, "alias": "BEFORE", **options}},
        {"add": {"index": INDEX, "alias": "AFTER"}},
    ]


@pytest.mark.parametrize("lost", [1, 2, 3])
@pytest.mark.parametrize("must_exist", [True, False])
def test_a_repeated_change_is_no_proof_that_all_nodes_know(server: Any, lost: int, must_exist: bool) -> None:
    line = LossyLine(server, "update_aliases", at=lost)
    with pytest.raises(UnavailableError, match="does not know how BEFORE, AFTER changed"):
        change_aliases(line.cluster, moved(must_exist=must_exist), known_everywhere=True)
    assert line.lost == 1
    assert set(server.aliases[INDEX]) == {"AFTER"}


def test_aliases_of_lost_and_late_requests_are_removed_by_the_next_change(server: Any) -> None:
    line = LossyLine(server, "update_aliases", late=True, at=2)
    with pytest.raises(UnavailableError):
        change_aliases(line.cluster, moved(), known_everywhere=True)
    line.wake()
    assert len(server.aliases[INDEX]) == 2
    back = [{"remove": {"index": INDEX, "alias": "AFTER"}}, {"add": {"index": INDEX, "alias": "BEFORE"}}]
    with pytest.raises(UnavailableError):
        change_aliases(line.cluster, back, known_everywhere=True)
    assert set(server.aliases[INDEX]) == {"BEFORE"}


def test_a_change_is_known_once_all_nodes_acknowledge_another_one(server: Any) -> None:
    line = LossyLine(server, "update_aliases")
    server.lagging = False
    change_aliases(line.cluster, moved(), known_everywhere=True)
    assert line.lost == 1
    assert set(server.aliases[INDEX]) == {"AFTER"}


class Lagging(StaleNode):
    """A node that passes writes on to the master, and reads what it knew before."""

    def __init__(self, server: MemoryServer) -> None:
        super().__init__(server)
        self._server = server

    def __getattr__(self, name: str) -> Any:
        return getattr(self._server if name == "update_aliases" else self.frozen, name)


@pytest.fixture
def promotable(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A server with a live index and one to be promoted."""
    monkeypatch.setattr(aliases, "_LAG_SECONDS", 0.2)
    made: Any = MemoryServer()
    made.create(index="old", aliases=["docs"])
    made.create(index="new")
    return made


def behind(*nodes: Any) -> Cluster:
    connection: Any = PartlyStale(*nodes)
    return Cluster(connection)


def test_a_node_that_lags_behind_makes_no_conflict_of_a_swap(promotable: Any) -> None:
    assert swap(behind(Lagging(promotable), promotable), "docs", expected="old", new="new")
    assert live_index(Cluster(promotable), "docs") == "new"


def test_a_swap_that_no_node_knows_of_yet_can_be_repeated(promotable: Any) -> None:
    with pytest.raises(UnavailableError, match="does not know that docs moved to new") as raised:
        swap(behind(Lagging(promotable), Lagging(promotable)), "docs", expected="old", new="new")
    assert not raised.value.final
    assert live_index(Cluster(promotable), "docs") == "new"


def test_an_alias_that_went_elsewhere_is_a_conflict(promotable: Any) -> None:
    promotable.create(index="other")
    promotable.between = lambda: promotable.update_aliases(
        actions=[{"remove": {"index": "old", "alias": "docs"}}, {"add": {"index": "other", "alias": "docs"}}]
    )
    with pytest.raises(PromotionConflictError, match="leads to other"):
        swap(Cluster(promotable), "docs", expected="old", new="new")


def test_an_index_or_several_in_the_place_of_an_alias_are_no_matter_of_promotion(promotable: Any) -> None:
    promotable.aliases["new"]["docs"] = {}
    for name in ("old", "docs"):
        with pytest.raises(AliasError) as raised:
            live_index(Cluster(promotable), name)
        assert type(raised.value) is AliasError


def test_a_shard_that_does_not_answer_can_be_waited_for(promotable: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(promotable, "search", lambda **_: refuse(503, "search_phase_execution_exception"))
    with pytest.raises(UnavailableError) as raised:
        require_healthy(Cluster(promotable, 0), "docs", "new")
    assert not raised.value.final
