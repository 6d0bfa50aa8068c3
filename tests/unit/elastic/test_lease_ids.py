"""Under which ids leases are stored."""

from __future__ import annotations

import pytest

from lsh_core.elastic.leases import _document_id


@pytest.mark.parametrize("scope", ["build", "partition:day=1", "partition:" + "a" * 300])
def test_a_short_scope_is_in_the_id(scope: str) -> None:
    assert _document_id("docs", scope) == f"docs/{scope}"


def test_long_scopes_have_ids_of_their_own_that_the_server_takes() -> None:
    name = "n" * 100
    ids = {_document_id(name, f"partition:day={'ä' * length}") for length in (198, 199, 400, 1_000)}
    assert len(ids) == 4
    assert all(len(each.encode()) <= 512 for each in ids)
