"""Misuse of the Python API that is seen without a server: a sentence that says what to do."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lsh_core.elastic.connection import Connection
from lsh_core.errors import InputError, UnavailableError
from lsh_core.jobs.services import Services
from lsh_core.search.arguments import name_and_connection
from lsh_core.search.query_vectors import many_vectors, one_vector
from lsh_core.search.vector_index import VectorIndex

NOWHERE = "http://127.0.0.1:9"
INDEX = VectorIndex("docs", NOWHERE)
VECTOR = [1.0, 2.0]
Made: Any = VectorIndex
Where: Any = Connection
Index: Any = INDEX
Need: Any = Services


@pytest.mark.parametrize(
    "made",
    [
        lambda: VectorIndex("docs", NOWHERE),
        lambda: VectorIndex("docs", Connection(NOWHERE)),  # type: ignore[arg-type]
        lambda: VectorIndex("docs", Connection((NOWHERE,))),
        lambda: VectorIndex(connection=f"{NOWHERE},http://127.0.0.1:10", name="docs"),
    ],
)
def test_addresses_may_be_a_text_or_a_connection(made: Callable[[], VectorIndex]) -> None:
    with pytest.raises(UnavailableError, match=r"did not answer.*; last"):
        _ = _impatient(made()).build


@pytest.mark.parametrize(
    "arguments",
    [
        ("elastic:s3cret@host:9200", None),
        ("elastic:s3cret", "packages"),
        ("packages", "elastic:s3cret@[::1"),
        (Connection(("http://host:9200",)), "elastic:s3cret@host:9200"),
        ({"es": "elastic:s3cret@host:9200"}, "packages"),
        (b"elastic:s3cret@host:9200", "packages"),
        (["elastic:s3cret@host:9200"], "packages"),
        ("packages", ["elastic:s3cret@host:9200"]),
    ],
)
def test_no_error_holds_the_password_of_an_address(arguments: tuple[Any, Any]) -> None:
    with pytest.raises(InputError) as raised:
        Made(*arguments)
    assert "s3cret" not in f"{raised.value} {raised.value.args} {vars(raised.value)}"


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("elastic:s3cret@host:9200", "http://host:9200"),
        ("localhost:9201", "http://localhost:9201"),
        ("localhost", "http://localhost:9200"),
        ("[::1]:9200", "http://[::1]:9200"),
    ],
)
def test_an_address_may_lack_its_scheme(text: str, url: str) -> None:
    name, connection = name_and_connection("packages", text)
    assert (connection.urls, name) == ((url,), "packages")


def _impatient(index: VectorIndex) -> VectorIndex:
    live: Any = index._live
    live._wait_seconds = 0.0
    live._brief = live._brief.waiting(0.0)
    return index


def test_addresses_of_a_connection_may_be_a_text_or_a_list() -> None:
    several = ("http://a:9200", "http://b:9200")
    assert Where("http://a:9200, http://b:9200") == Where(list(several)) == Connection(several)
    assert Where.from_urls(several) == Where.from_urls(list(several)) == Where.from_urls(", ".join(several))
    assert Where.from_urls(each for each in several) == Connection(several)
    assert Where.from_urls(["a:s3cret@h:9200", "h:9201"]).urls == ("http://h:9200", "http://h:9201")
    assert Where("https://h", ca_certs=Path("ca.pem")).ca_certs == "ca.pem"
    assert Where("localhost").urls == ("http://localhost:9200",)
    assert hash(Where(list(several))) == hash(Connection(several))


MISUSE: list[tuple[Callable[[], Any], str]] = [
    (lambda: Made(), "name=None: the name of the index is missing: VectorIndex("),
    (lambda: Made("docs"), 'connection=None: must be addresses or a Connection: VectorIndex("packages", "http'),
    (lambda: Made(NOWHERE), "is where Elasticsearch is: the name stands first, VectorIndex("),
    (lambda: Made(NOWHERE, "docs"), "is where Elasticsearch is: the name stands first"),
    (lambda: Made(Connection((NOWHERE,)), "docs"), "is where Elasticsearch is: the name stands first"),
    (lambda: Made("docs", 5), "connection=5"),
    (lambda: Made(5, NOWHERE), "name=5: must be the name of an index"),
    (lambda: Made("Docs", NOWHERE), "name='Docs': must be 1 to 100 characters of a-z"),
    (lambda: Made("docs-*", NOWHERE), "name='docs-*'"),
    (lambda: Made("airlsh-docs-1", NOWHERE), "reserved"),
    (lambda: Made("docs", "ftp://es"), "must look like http://host:9200"),
    (lambda: Made("docs", NOWHERE, index="airlsh-*"), "not the name of one physical index"),
    (lambda: Made("docs", NOWHERE, index=5), "index=5"),
    (lambda: Made("docs", NOWHERE, encoder="folder"), "QueryEncoder(weights=...)"),
    (lambda: Made("docs", NOWHERE, wait_seconds="3"), "wait_seconds='3': must be a number of seconds"),
    (lambda: Made("docs", NOWHERE, wait_seconds=-1), "must be 0 or more seconds"),
    (lambda: Made("docs", NOWHERE, wait_seconds=float("nan")), "must be 0 or more seconds"),
    (lambda: Where(5), "es=5: must be addresses: a text such as http://127.0.0.1:9200, or a list of such texts"),
    (lambda: Where(None), "must be addresses"),
    (lambda: Where((5,)), "es=5: must be addresses"),
    (lambda: Where(["http://a:9200", None]), "es=None: must be addresses"),
    (lambda: Where({"http://a:9200": 1}), "es='dict': must be addresses"),
    (lambda: Where(b"http://a:9200"), "es='bytes': must be addresses"),
    (lambda: Where.from_urls(5), "es=5: must be addresses: a text such as"),
    (lambda: Where.from_urls([5]), "es=5: must be addresses"),
    (lambda: Where.from_urls(b"http://a:9200"), "es='bytes': must be addresses"),
    (lambda: Where.from_urls(np.array("http://a:9200")), "es='ndarray': must be addresses"),
    (lambda: Where.from_urls(""), "no address of Elasticsearch was given"),
    (lambda: Where.from_urls([]), "no address of Elasticsearch was given"),
    (lambda: Where.from_urls(), "no address of Elasticsearch was given"),
    (lambda: Where(NOWHERE, api_key=5), "api_key='…': must be a text, not int"),
    (lambda: Where(NOWHERE, username="a", password=b"b"), "password='…': must be a text, not bytes"),
    (lambda: Where(NOWHERE, username="\ud800"), "is not Unicode text"),
    (lambda: Where("https://a", ca_certs=5), "ca_certs=5: must be a text, not int"),
    (lambda: Where("https://a", ca_certs="a\0b"), "has a character of code 0"),
    (lambda: Where(NOWHERE, verify_certs="no"), "verify_certs='no': must be True or False"),
    (lambda: Where(NOWHERE, http_compress=None), "http_compress=None: must be True or False"),
    (lambda: Where(NOWHERE, request_timeout_seconds="5"), "must be a number of seconds"),
    (lambda: Where(NOWHERE, request_timeout_seconds=-1), "must be more than 0 seconds, and less than a year"),
    (lambda: Where(NOWHERE, request_timeout_seconds=float("nan")), "must be more than 0 seconds"),
    (lambda: Where(NOWHERE).client("0"), "node='0': must be the number of a node: 0 for the first address"),
    (lambda: Need(NOWHERE), "connection='str': must be a Connection: Connection.from_urls(URL) makes one"),
    (lambda: Need(None), "must be a Connection"),
    (lambda: Need(Where(NOWHERE), 5), "dask=5: must be the address of a Dask scheduler, such as tcp://host:8786"),
    (lambda: Where(""), "no address"),
    (lambda: Where("http://"), "must look like http://host:9200"),
    (lambda: Index.search(), "give one of vector, id, text and image"),
    (lambda: Index.search(VECTOR, text="a"), "give one of vector, id, text and image"),
    (lambda: Index.search("gimp"), "is a text, not a list of numbers: search(text=...) searches by a text"),
    (lambda: Index.search(b"gimp"), "is bytes, not a list of numbers"),
    (lambda: Index.search([VECTOR, VECTOR]), "shape 2 x 2: one vector is a list of numbers; search_many(vectors)"),
    (lambda: Index.search(5), "vector=5: is not a list of numbers"),
    (lambda: Index.search({"a": 1}), "is not a list of numbers"),
    (lambda: Index.search([]), "vector is empty"),
    (lambda: Index.search(["a", "b"]), "must hold numbers only, but has texts"),
    (lambda: Index.search([1.0, None]), "has None (NoneType) at 1"),
    (lambda: Index.search([1.0, float("nan")]), "vector 0 has nan as number 1"),
    (lambda: Index.search([1.0, 1e300]), "vector 0 has 1e+300 as number 1"),
    (lambda: Index.search([1j, 2.0]), "complex numbers"),
    (lambda: Index.search([True, False]), "booleans"),
    (lambda: Index.search([[1.0], [1.0, 2.0]]), "cannot be read as numbers of one shape"),
    (lambda: Index.search_many(["a", "b"]), "texts"),
    (lambda: Index.search_many(None), "vectors=None"),
    (lambda: Index.search_many(np.zeros((1, 1, 2))), "shape 1 x 1 x 2"),
    (lambda: Index.search_many([VECTOR, [1.0, float("inf")]]), "vector 1 has inf as number 1"),
    (lambda: Index.search_many("gimp", exact=True), "is a text"),
    (lambda: Index.search(VECTOR, k=0), "k=0: must be a whole number from 1 to 10000"),
    (lambda: Index.search(VECTOR, k="10"), "k='10'"),
    (lambda: Index.search(VECTOR, fields="score"), "fields=['score']"),
    (lambda: Index.search(VECTOR, fields=5), "must be a list of names, not int"),
    (lambda: Index.search(VECTOR, fields=["a", 5]), "must hold names, not 5"),
    (lambda: Index.search(VECTOR, fields=["\ud800"]), r"must hold names, not '\ud800'"),
    (lambda: Index.search(VECTOR, fields=np.array("a")), "must be a list of names, not ndarray"),
    (lambda: Index.search(VECTOR, k=10**5_000), "k=<int>: must be a whole number from 1 to 10000"),
    (lambda: Index.search(VECTOR, recall=10**400), "must be above 0, and 1 at most"),
    (lambda: Index.search(VECTOR, match="web", match_weight=10**400), "must be from 0 to 1"),
    (lambda: Index.search(VECTOR, match="\ud800"), "is not Unicode text, as it holds half of a surrogate pair"),
    (lambda: Index.search(text="\ud800"), "is not Unicode text, as it holds half of a surrogate pair"),
    (lambda: Index.search(id="\ud800"), r"id='\ud800': must be the id of a row, a text"),
    (lambda: Index.search(VECTOR, filter='{"term": {}}'), "must be an object"),
    (lambda: Index.search(VECTOR, filter={"term": {5: 1}}), "must name a field, not 5"),
    (lambda: Index.search(VECTOR, top_k=5), "how many are found is k"),
    (lambda: Index.search(VECTOR, query_filter={}), "the filter is filter"),
    (lambda: Index.search_many([VECTOR], id="a"), "search(id=...) takes one"),
    (lambda: Index.search(VECTOR, probe=5), "did you mean probes?"),
    (lambda: Index.search(identity="a"), "the id of a stored row is id"),
    (lambda: Index.search(text_query="a"), "a text that is encoded is text"),
    (lambda: Index.search(text_weight=0.5), "the weight of the words is match_weight"),
    (lambda: Index.search(text=5), "text=5: must be a text"),
    (lambda: Index.search(image=5), "image=5: must be the bytes of an image file, or its path"),
    (lambda: Index.encode(), "give either a text or an image"),
    (lambda: Index.encode(text=b"a"), "must be a text"),
    (lambda: Index.search(id=5), "id=5: must be the id of a row"),
    (lambda: Index.search(VECTOR, match=5), "match=5: must be a text"),
    (lambda: Index.search(match="web"), "match says which words to look for beside a target"),
    (lambda: Index.search("gimp", match="web"), "is a text, not a list of numbers"),
    (lambda: Index.delete("abc"), "is one text; give a list of ids"),
    (lambda: Index.delete(5), "int is not a list of ids"),
    (lambda: Index.delete({"a": 1}), "dict is not a list of ids"),
    (lambda: Index.delete(pa.table({"id": ["a"]})), "is not a list of ids"),
    (lambda: Index.delete([1.5]), "1.5 is not an id"),
    (lambda: Index.delete([None]), "None is not an id"),
    (lambda: Index.delete(["\ud800"]), "it holds half of a surrogate pair"),
    (lambda: Index.delete([10**5_000]), "a whole number of 16,610 bits is too long for an id"),
    (lambda: Index.delete(np.array("a")), "an array of 0 dimensions is not a list of ids"),
]


@pytest.mark.parametrize(("misuse", "said"), MISUSE, ids=[said[:50] for _, said in MISUSE])
def test_misuse_is_a_sentence(misuse: Callable[[], Any], said: str) -> None:
    with pytest.raises(InputError) as raised:
        misuse()
    assert said in str(raised.value)


def test_what_is_of_another_kind_is_a_type_error_too() -> None:
    for misuse in (lambda: Made("docs"), lambda: Index.search("gimp"), lambda: Index.search(VECTOR, topk=5)):
        with pytest.raises(TypeError):
            misuse()
    for wrong in ([[1.0], [2.0]], [float("nan")]):
        with pytest.raises(ValueError, match="vector"):
            Index.search(wrong)


@pytest.mark.parametrize(
    "given", [[1, 2], (1.0, 2.0), np.array([1, 2], np.int8), pa.array([1.0, 2.0]), np.array([1, 2], np.float16)]
)
def test_vectors_of_every_kind(given: Any) -> None:
    assert one_vector(given).tolist() == [[1.0, 2.0]]
    assert many_vectors(given).tolist() == [[1.0, 2.0]]
    assert one_vector(given).dtype == np.float32


def test_a_server_that_is_down_is_waited_for_as_long_as_is_said() -> None:
    with pytest.raises(UnavailableError) as raised:
        VectorIndex("docs", NOWHERE, wait_seconds=0.2).search(VECTOR)
    assert 0.2 <= raised.value.waited_seconds < 10


def test_a_server_that_accepts_and_is_silent_is_not_waited_for_longer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        with pytest.raises(UnavailableError):
            VectorIndex("docs", f"http://127.0.0.1:{silent.getsockname()[1]}", wait_seconds=0.2).search(VECTOR)
        assert time.monotonic() - began < 10  # The time-out of a search is 30 s.
