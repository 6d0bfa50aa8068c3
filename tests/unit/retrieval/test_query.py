from __future__ import annotations

import pytest

from lsh_core.errors import ServerError
from lsh_core.retrieval.query import all_of, excluding, id_of

FILTER = {"term": {"section": "web"}}


def test_filters_together() -> None:
    assert all_of(None, None) is None
    assert all_of(None, FILTER) == FILTER
    assert all_of(FILTER, excluding("r1"), None) == {"bool": {"filter": [FILTER, excluding("r1")]}}


def test_the_id_of_a_hit_with_fields_and_without() -> None:
    assert id_of({"_id": "a", "fields": {"v": ["AAAA"]}}) == "a"
    assert id_of({"fields": {"airlsh.id": ["b"]}}) == "b"
    for foreign in ({"_index": "airlsh-docs-b1"}, {"_index": "airlsh-docs-b1", "fields": {"v": ["AAAA"]}}):
        with pytest.raises(ServerError, match=r"a row of airlsh-docs-b1 has no airlsh\.id"):
            id_of(foreign)
