"""Changes of aliases, and which nodes know of them."""

from __future__ import annotations

from typing import Any

import pytest

from lsh_core.builds import aliases
from lsh_core.builds.aliases import change_aliases
from lsh_core.errors import UnavailableError
from tests.fakes.lost_answers import LossyLine
from tests.fakes.memory_server import MemoryServer

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
