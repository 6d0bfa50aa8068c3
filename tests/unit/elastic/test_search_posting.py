"""Searches go past the client, in one write; whatever is no good answer is asked again through it."""

from __future__ import annotations

import gzip
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
import pytest
from elastic_transport import ConnectionTimeout

from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.connection import Connection
from lsh_core.elastic.http_exchange import request_head
from lsh_core.elastic.refusals import REQUEST
from lsh_core.elastic.search_posting import post_search
from lsh_core.errors import RequestRefusedError, UnavailableError, UnsupportedServerError
from tests.fakes.http_server import ELASTIC, HTML, Canned, canned_server
from tests.fakes.socket_server import Caller, Received, socket_server

LINES = b'{"index":"a"}\n{"size":1}\n'
FOUND = [{"took": 1, "hits": {"hits": []}}]
GOOD = orjson.dumps({"responses": FOUND})
HEAD = b"HTTP/1.1 200 OK\r\nX-elastic-product: Elasticsearch\r\ncontent-type: application/json\r\n"


def whole(body: bytes = GOOD, *headers: bytes) -> bytes:
    return b"\r\n".join([HEAD + b"content-length: %d" % len(body), *headers, b"", body])


def chunked(*chunks: bytes) -> bytes:
    parts = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))
    return HEAD + b"transfer-encoding: chunked\r\n\r\n" + parts


def answering(received: list[Received], answer: Callable[[Caller], Sequence[bytes]]) -> Callable[[Caller], None]:
    def serve(caller: Caller) -> None:
        while request := caller.request():
            received.append(request)
            caller.send(*answer(caller))

    return serve


def test_head_and_body_are_one_write_on_a_socket_that_is_kept() -> None:
    received: list[Received] = []
    callers = set()
    with socket_server(answering(received, lambda caller: (callers.add(caller.number), (whole(),))[1])) as url:
        connection = Connection((f"{url}/behind/es",), username="ä", password="p:w")
        for named in (False, True, False):
            assert post_search(connection.client(), LINES, named_scores=named) == FOUND
    assert [(each.reads, each.body) for each in received] == [(1, LINES)] * 3
    assert callers == {0}
    first, second, third = (each.head.decode("latin-1").split("\r\n") for each in received)
    assert first[0] == "POST /behind/es/_msearch HTTP/1.1"
    assert second[0] == "POST /behind/es/_msearch?include_named_queries_score=true HTTP/1.1"
    assert first == third
    assert f"host: {url.removeprefix('http://')}" in first
    assert "authorization: Basic w6Q6cDp3" in first
    assert "content-type: application/vnd.elasticsearch+x-ndjson; compatible-with=9" in first


@pytest.mark.parametrize(
    "answer",
    [
        [whole()],
        [chunked(GOOD)],
        [chunked(GOOD[:5], GOOD[5:9], GOOD[9:])],
        [bytes([byte]) for byte in chunked(GOOD)],
        [whole(gzip.compress(GOOD), b"content-encoding: gzip")],
        [whole(GOOD, b"connection: close")],
    ],
)
def test_an_answer_in_any_form(answer: list[bytes]) -> None:
    received: list[Received] = []
    with socket_server(answering(received, lambda _: answer)) as url:
        client = Connection((url,)).client()
        assert [post_search(client, LINES) for _ in range(2)] == [FOUND] * 2
    assert len(received) == 2


def test_a_compressed_request() -> None:
    received: list[Received] = []
    with socket_server(answering(received, lambda _: [whole()])) as url:
        assert post_search(Connection((url,), http_compress=True).client(), LINES) == FOUND
    assert gzip.decompress(received[0].body) == LINES
    assert b"content-encoding: gzip" in received[0].head
    assert b"accept-encoding: gzip" in received[0].head


def test_a_socket_that_the_server_closed_meanwhile_is_no_failure() -> None:
    def serve(caller: Caller) -> None:
        if caller.request():
            caller.send(whole())
        if caller.number % 2 == 0:  # This one dies between a request and its answer.
            caller.request()

    with socket_server(serve) as url:
        client = Connection((url,)).client()
        for _ in range(6):
            assert post_search(client, LINES) == FOUND
            time.sleep(0.01)


def test_bytes_behind_an_answer_do_not_reach_the_next() -> None:
    received: list[Received] = []
    with socket_server(answering(received, lambda _: [whole() + whole(b'{"responses":["stale"]}')])) as url:
        client = Connection((url,)).client()
        assert [post_search(client, LINES) for _ in range(3)] == [FOUND] * 3


@pytest.mark.parametrize(
    "spoiled",
    [
        whole(gzip.compress(GOOD)[:-9], b"content-encoding: gzip"),
        whole(b"no gzip", b"content-encoding: gzip"),
        whole(GOOD[:-2]),
    ],
)
def test_a_spoiled_answer_is_asked_for_again(spoiled: bytes) -> None:
    received: list[Received] = []
    with socket_server(answering(received, lambda _: [whole() if len(received) % 2 == 0 else spoiled])) as url:
        client = Connection((url,)).client()
        assert [post_search(client, LINES) for _ in range(2)] == [FOUND] * 2
    assert len(received) == 4


def test_the_answer_behind_an_interim_one_does_not_reach_the_next_request() -> None:
    received: list[Received] = []

    def serve(caller: Caller) -> None:
        while request := caller.request():
            received.append(request)
            caller.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            time.sleep(0.05)
            caller.send(whole(orjson.dumps({"responses": [request.body.decode().strip()]})))

    with socket_server(serve) as url:
        client = Connection((url,)).client()
        assert [post_search(client, b"%d\n" % number) for number in range(3)] == [["0"], ["1"], ["2"]]


def test_a_refusal_is_the_client_s() -> None:
    body = {"error": {"type": "x_content_parse_exception", "reason": "[1:2] no"}, "status": 400}
    server = canned_server(lambda _: Canned(400, ELASTIC, body))
    with server as (url, requests), pytest.raises(RequestRefusedError, match=r"POST /_msearch.*\[1:2\] no"):
        Cluster(Connection((url,)), wait_seconds=0, watch=False).run(lambda client: post_search(client, LINES))
    assert {(each.method, each.path) for each in requests} == {("POST", "/_msearch")}


@pytest.mark.parametrize("status", [200, 302])
def test_another_server_is_named(status: int) -> None:
    headers = {**HTML, "location": "/login"}
    with canned_server(lambda _: Canned(status, headers, b"<html><title>Hello</title></html>")) as (url, _):
        client = Connection((url,)).client()
        with pytest.raises(UnsupportedServerError, match=f"at {url}"):
            post_search(client, LINES)


def test_nobody_answers() -> None:
    nobody = Cluster(Connection(("http://127.0.0.1:9",)), wait_seconds=0, watch=False)
    with pytest.raises(UnavailableError, match="Connection refused"):
        nobody.run(lambda client: post_search(client, LINES))


def test_a_hung_server_is_waited_for_once_and_as_long_as_is_said() -> None:
    received: list[Received] = []
    over = threading.Event()
    with socket_server(answering(received, lambda _: (over.wait(5), ())[1])) as url:
        client = Connection((url,)).client().options(request_timeout=0.2)
        started = time.monotonic()
        with pytest.raises(ConnectionTimeout) as raised:
            post_search(client, LINES)
        assert time.monotonic() - started < 2
        over.set()
    assert getattr(raised.value, REQUEST) == "POST /_msearch"
    assert len(received) == 1


def test_another_node_answers_where_one_is_away() -> None:
    received: list[Received] = []
    with socket_server(answering(received, lambda _: [whole()])) as url:
        cluster = Cluster(Connection(("http://127.0.0.1:9", url)), watch=False)
        for _ in range(2):
            assert cluster.run(lambda client: post_search(client, LINES)) == FOUND
    assert len(received) == 2


def echo(caller: Caller) -> None:
    """Answer each search with its own lines, which must not get mixed up."""
    while request := caller.request():
        time.sleep(0.001)
        caller.send(whole(orjson.dumps({"responses": [request.body.decode()]})))


def test_threads_share_a_client() -> None:
    with socket_server(echo) as url:
        connection = Connection((url,))

        def ask(number: int) -> Any:
            return post_search(connection.client(), b"%d" % number)

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(ask, range(200))) == [[str(number)] for number in range(200)]


def test_closed_and_opened_again() -> None:
    with socket_server(echo) as url:
        connection = Connection((url,))
        for number in (b"1", b"2"):
            assert post_search(connection.client(), number) == [number.decode()]
            connection.close()


def test_a_forked_process_has_its_own_sockets() -> None:
    script = """
    import os, sys
    from lsh_core.elastic.connection import Connection
    from lsh_core.elastic.search_posting import post_search
    connection = Connection((sys.argv[1],))
    def ask(who):
        return all(post_search(connection.client(), b"%s %d" % (who, n)) == ["%s %d" % (who.decode(), n)]
                   for n in range(100))
    assert ask(b"before")
    child = os.fork()
    good = ask(b"parent" if child else b"child")
    if not child:
        os._exit(0 if good else 3)
    assert good and os.waitpid(child, 0)[1] == 0
    """
    with socket_server(echo) as url:
        subprocess.run([sys.executable, "-c", textwrap.dedent(script), url], check=True, timeout=60)


@pytest.mark.parametrize(
    ("base", "host", "path"),
    [
        ("http://127.0.0.1:9200", "127.0.0.1:9200", "/_msearch"),
        ("http://[::1]:9200/a b", "[::1]:9200", "/a%20b/_msearch"),
        ("https://es.example:443", "es.example", "/_msearch"),
        ("https://es.example:9243/x", "es.example:9243", "/x/_msearch"),
    ],
)
def test_the_head_of_a_request(base: str, host: str, path: str) -> None:
    head = request_head("POST", base, "/_msearch", {"accept": "application/json"})
    assert head.decode().split("\r\n") == [
        f"POST {path} HTTP/1.1",
        f"host: {host}",
        "accept: application/json",
        "content-length: ",
    ]
