"""What the build that answers does not have is refused by name."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from lsh_core.errors import FilterError, SettingsError
from lsh_core.search.request import SearchRequest
from lsh_core.search.request_fit import check_for

BUILD: Any = SimpleNamespace(
    index="airlsh-docs-b1",
    mapping={"title": {"type": "text"}, "tags": {"type": "keyword"}},
    text_fields=("title", "body.de"),
)


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (SearchRequest([1.0], fields=["titel"]), "did you mean title?"),
        (SearchRequest([1.0], filter={"term": {"tag": 1}}), "did you mean tags?"),
        (
            SearchRequest([1.0], match="x", match_fields=["title", "tags"]),
            "match_fields='tags': is not full text in airlsh-docs-b1, but of type keyword; there are title, body.de",
        ),
        (SearchRequest([1.0], match="x", match_fields=["nothing"]), "but no field"),
    ],
    ids=str,
)
def test_what_the_build_does_not_have(request_: SearchRequest, said: str) -> None:
    with pytest.raises((SettingsError, FilterError)) as raised:
        check_for(BUILD, request_)
    assert said in str(raised.value)


def test_words_need_full_text() -> None:
    check_for(BUILD, SearchRequest([1.0], match="x"))
    without: Any = SimpleNamespace(index="airlsh-docs-b1", mapping=BUILD.mapping, text_fields=())
    reason = "index airlsh-docs-b1 has no full text: build it with --text-field COLUMN"
    with pytest.raises(SettingsError, match=f"^match='two words': {reason}"):
        check_for(without, SearchRequest([1.0], match="two words"))
    with pytest.raises(SettingsError, match=f"^match_fields='title, body': {reason}"):
        check_for(without, SearchRequest([1.0], match="two words", match_fields=["title", "body"]))
