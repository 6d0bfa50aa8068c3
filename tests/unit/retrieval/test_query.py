from __future__ import annotations

from lsh_core.retrieval.query import all_of, excluding

FILTER = {"term": {"section": "web"}}


def test_filters_together() -> None:
    assert all_of(None, None) is None
    assert all_of(None, FILTER) == FILTER
    assert all_of(FILTER, excluding("r1"), None) == {"bool": {"filter": [FILTER, excluding("r1")]}}
