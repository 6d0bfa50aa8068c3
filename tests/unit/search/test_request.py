"""Search requests: checked once, and the same after a trip through JSON."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from lsh_core.errors import ArgumentError, FilterError, ImageError, InputError
from lsh_core.search.request import SearchRequest

Made: Any = SearchRequest
FILTER = {"term": {"section": "web"}}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"k": 2.5}, "k=2.5"),
        ({"k": True}, "k=True"),
        ({"k": "3"}, "k='3'"),
        ({"k": 0}, "k=0: must be a whole number from 1 to 10000"),
        ({"k": 10_001}, "k=10001"),
        ({"recall": "x"}, "recall='x'"),
        ({"recall": 1.5}, "recall=1.5"),
        ({"recall": float("nan")}, "recall=nan"),
        ({"effort": {"probes": 2.5}}, "probes=2.5: must be a whole number"),
        ({"effort": {"probe": 2}}, "did you mean probes?"),
        ({"effort": 5}, "must be a number by its unit, such as {'probes': 8}"),
        ({"recall": 0.9, "effort": {"probes": 2}}, "recall=0.9: decides the effort: give no probes"),
        ({"exact": 1}, "exact=1: must be True or False"),
        ({"exact": True, "recall": 0.9}, "recall=0.9: has no use in an exact search"),
        ({"exact": True, "effort": {"probes": 2}}, "exact=True: scores every row: give no probes"),
        ({"id": ""}, "several targets"),
        ({"id": "a", "vector": None, "text": "b"}, "search='id, text': several targets: give one of"),
        ({"vector": None}, "no target: give one of vector, id, text and image"),
        ({"vector": None, "match": "web"}, "match says which words to look for beside a target: give one of"),
        ({"vector": None, "id": ""}, "id=''"),
        ({"vector": None, "id": 5}, "id=5: must be the id of a row, a text"),
        ({"vector": None, "text": 5}, "text=5: must be a text, which the index's encoder turns into a vector"),
        ({"vector": None, "image": 5}, "image=5: must be the bytes of an image file, or its path"),
        ({"fields": "score"}, "fields=['score']"),
        ({"match_weight": 0.5}, "match_weight=0.5: has no use without match"),
        ({"match_fields": ["title"]}, "has no use without match"),
        ({"fusion": "rrf"}, "fusion='rrf': has no use without match"),
        ({"match": 5}, "match=5: must be a text: the words to look for"),
        ({"match": " \n"}, "is empty"),
        ({"match": "x" * 10_001}, "has 10001 characters; 10000 at most are searched"),
        ({"match": "x", "match_weight": -0.1}, "match_weight=-0.1: must be from 0 to 1"),
        ({"match": "x", "match_weight": 1.1}, "match_weight=1.1: must be from 0 to 1"),
        ({"match": "x", "match_weight": float("nan")}, "match_weight=nan: must be from 0 to 1"),
        ({"match": "x", "match_weight": "a"}, "match_weight='a': must be a number"),
        ({"match": "x", "match_weight": True}, "match_weight=True"),
        ({"match": "x", "match_weight": 0.5, "fusion": "rrf"}, "has no place in reciprocal rank fusion"),
        ({"match": "x", "fusion": "sum"}, "fusion='sum': must be one of weighted, rrf"),
        ({"match": "x", "match_fields": "title"}, "match_fields=['title']"),
        ({"filter": {"script": {}}}, "filter at script"),
    ],
)
def test_what_cannot_be_asked_for(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as raised:
        Made(**{"vector": [1.0, 2.0], **arguments})
    assert said in str(raised.value)


def test_numbers_of_numpy_are_numbers() -> None:
    request = SearchRequest([1], k=np.int64(3), recall=np.float32(0.5))  # type: ignore[arg-type]
    assert (request.k, request.recall) == (3, 0.5)
    assert Made([1], effort={"probes": np.int32(7)}).effort == {"probes": 7}


def test_the_usual_weight() -> None:
    assert SearchRequest(id="a", match="x").match_weight == 0.5
    assert SearchRequest(id="a", match="x", fusion="rrf").match_weight is None
    assert SearchRequest(id="a").match_weight is None


def test_a_vector_is_a_copy_that_nobody_changes() -> None:
    given = np.array([1, 2], np.float32)
    request = SearchRequest(given)
    given[0] = 9
    held: Any = request.vector
    assert held.tolist() == [1.0, 2.0]
    assert held.dtype == np.float32
    with pytest.raises(ValueError, match="read-only"):
        held[0] = 9


def test_what_neighbours_pass() -> None:
    assert SearchRequest(id="a").among == {"bool": {"must_not": [{"ids": {"values": ["a"]}}]}}
    assert SearchRequest([1.0]).among is None
    both = SearchRequest(id="a", filter=FILTER).among
    assert both == {"bool": {"filter": [FILTER, SearchRequest(id="a").among]}}


@pytest.mark.parametrize(
    "request_",
    [
        SearchRequest([0.1, 2.0], k=3, effort={"probes": 4}, fields=()),
        SearchRequest(id="gimp", filter=FILTER, recall=0.9, fields=["title"]),
        SearchRequest(text="image editor", match="web", match_weight=0.25, match_fields=["title"]),
        SearchRequest(id="a", match="web", fusion="rrf", exact=True),
        SearchRequest(image=b"\x00\xffpixels"),
    ],
    ids=str,
)
def test_a_request_is_the_same_after_a_trip_through_json(request_: SearchRequest) -> None:
    back = SearchRequest.from_json(orjson.loads(orjson.dumps(request_.to_json())))
    assert back == request_
    assert back.to_json() == request_.to_json()
    assert back != SearchRequest(id="other")


def test_an_image_goes_as_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"pixels")
    written = SearchRequest(image=tmp_path / "a.png").to_json()
    assert written == {"image": base64.b64encode(b"pixels").decode()}
    assert SearchRequest.from_json(written).image == b"pixels"
    with pytest.raises(ImageError):
        SearchRequest(image=tmp_path / "gone.png").to_json()


@pytest.mark.parametrize("image", ["/etc/passwd", 5, "é"])
def test_json_holds_no_path_of_an_image(image: Any) -> None:
    with pytest.raises(ArgumentError, match="must be the bytes of an image file in base64"):
        SearchRequest.from_json({"image": image})


def test_json_is_checked_like_arguments() -> None:
    for values, said in (
        ({"id": "a", "top_k": 5}, "how many are found is k"),
        ({"id": "a", "probes": 5}, "is not an argument"),
        ({"vector": "gimp"}, "is a text, not a list of numbers"),
        ([1.0], "must be an object"),
    ):
        with pytest.raises(ArgumentError) as raised:
            SearchRequest.from_json(values)  # type: ignore[arg-type]
        assert said in str(raised.value)
    with pytest.raises(FilterError):
        SearchRequest.from_json({"id": "a", "filter": {"script": {}}})


def test_a_request_shows_what_it_asks_for() -> None:
    assert repr(SearchRequest(image=b"12345", k=3)) == "SearchRequest(image=<5 bytes>, k=3)"
