"""What is no Elasticsearch 9.4, or lets nobody in: one error, from every way in."""

from __future__ import annotations

import base64
import pickle
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from click.testing import CliRunner

from lsh_core.cli.main import main
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.connection import Connection
from lsh_core.elastic.server_check import check_server
from lsh_core.errors import (
    AccessError,
    AirlshError,
    RequestRefusedError,
    SettingsError,
    UnavailableError,
    UnsupportedServerError,
)
from lsh_core.search.vector_index import VectorIndex
from tests.fakes.http_server import ELASTIC, HTML, JSON, Canned, Request, canned_server

MEDIA_TYPE = {
    "error": {"type": "media_type_header_exception", "reason": "Invalid media-type value on headers [Accept]"},
    "status": 400,
}
NOT_SERVERLESS = {
    "error": {
        "type": "api_not_available_exception",
        "reason": "Request for uri [/_cluster/health] exists but is not available when running in serverless mode",
    },
    "status": 410,
}


def root(version: dict[str, str]) -> dict[str, object]:
    return {"version": version, "tagline": "You Know, for Search"}


def by_path(first: Canned, other: Canned) -> Callable[[Request], Canned]:
    return lambda request: first if request.path == "/" else other


def page(status: int, title: str = "Welcome") -> Canned:
    return Canned(status, HTML, f"<html><title>{title}</title></html>".encode())


UNSUPPORTED = {
    "Elasticsearch 8": (
        by_path(Canned(200, ELASTIC, root({"number": "8.19.2"})), Canned(400, ELASTIC, MEDIA_TYPE)),
        "Elasticsearch 8.19.2 at",
    ),
    "Elasticsearch 7": (
        by_path(Canned(200, JSON, root({"number": "7.9.0"})), Canned(200, JSON, {"status": "green"})),
        "Elasticsearch 7.9.0 at",
    ),
    "Serverless": (
        by_path(Canned(200, ELASTIC, {}), Canned(410, ELASTIC, NOT_SERVERLESS)),
        "Elasticsearch Serverless at",
    ),
    "OpenSearch": (
        by_path(
            Canned(200, JSON, root({"number": "2.19.1", "distribution": "opensearch"})),
            Canned(200, JSON, {"status": "green"}),
        ),
        "OpenSearch 2.19.1 at",
    ),
    "OpenSearch refuses the media type": (
        by_path(
            Canned(200, JSON, root({"number": "3.0.0", "distribution": "opensearch"})),
            Canned(
                406, JSON, {"error": "Content-Type header [...; compatible-with=9] is not supported", "status": 406}
            ),
        ),
        "OpenSearch 3.0.0 at",
    ),
    "a proxy without the header": (
        by_path(Canned(200, JSON, root({"number": "9.5.4"})), Canned(200, JSON, {"status": "green"})),
        "behind a proxy that removes the header X-Elastic-Product",
    ),
    "a page": (lambda _: page(200), "a web page 'Welcome' from nginx"),
    "no such page": (lambda _: page(404, "404 Not Found"), "a web page '404 Not Found'"),
    "a page instead of an error": (lambda _: page(500), "status 500"),
    "plain text": (lambda _: Canned(200, {"content-type": "text/plain"}, b"ok"), "an answer of type text/plain"),
    "other JSON": (lambda _: Canned(200, JSON, {"hello": "world"}), "an answer of type application/json"),
    "a redirect": (
        lambda _: Canned(302, {**HTML, "location": "https://u:s3cret@sso.example/login?token=s3cret"}),
        "a redirect to https://sso.example/login",
    ),
    "Kibana": (lambda _: Canned(302, {"kbn-name": "kibana", "location": "/login"}), "Kibana at"),
    "Kibana's errors": (lambda _: Canned(404, {**JSON, "kbn-name": "kibana"}, {"statusCode": 404}), "Kibana at"),
}


def ways_in(url: str) -> list[Callable[[], object]]:
    connection = Connection((url,), username="someone", password="s3cret")
    return [
        lambda: Cluster(connection, 0).require_answer(),
        lambda: check_server(Cluster(connection)),
        lambda: VectorIndex("packages", connection).search([1.0, 2.0]),
    ]


@pytest.mark.parametrize("found", UNSUPPORTED)
def test_what_answers_is_named_and_nothing_leaks(found: str) -> None:
    answer, expected = UNSUPPORTED[found]
    with canned_server(answer) as (url, _):
        for way in ways_in(url):
            with pytest.raises(UnsupportedServerError) as raised:
                way()
            assert expected in str(raised.value)
            assert url in str(raised.value)
            assert "s3cret" not in str(raised.value) + repr(raised.value.__cause__)
            assert str(pickle.loads(pickle.dumps(raised.value))) == str(raised.value)


@pytest.mark.parametrize("command", [["search", "packages", "--id", "1"], ["builds", "list", "packages"], ["doctor"]])
def test_commands_say_it_in_one_line(command: list[str]) -> None:
    with canned_server(UNSUPPORTED["OpenSearch"][0]) as (url, _):
        result = CliRunner().invoke(main, [*command, "--es", url])
    assert result.exit_code == 1
    assert result.output.count("OpenSearch 2.19.1 at") == 1
    assert "Traceback" not in result.output


@pytest.mark.parametrize("status", [401, 403, 407])
def test_a_login_page_is_a_refusal(status: int) -> None:
    with canned_server(lambda _: page(status, "Sign in")) as (url, _):
        for way in ways_in(url):
            with pytest.raises(AccessError, match="a web page 'Sign in' from nginx") as raised:
                way()
            assert raised.value.status == status


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_proxy_that_reaches_nobody_is_waited_for(status: int) -> None:
    with canned_server(lambda _: page(status, "Bad")) as (url, requests):
        with pytest.raises(UnavailableError, match=f"status {status}.*a proxy that cannot reach Elasticsearch"):
            Cluster(Connection((url,)), 0.6).require_answer()
        assert len(requests) > 1


@contextmanager
def plain_server(greeting: bytes) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            while True:
                try:
                    with server.accept()[0] as caller:
                        caller.recv(4096)
                        caller.sendall(greeting)
                except OSError:
                    return

        threading.Thread(target=greet, daemon=True).start()
        try:
            yield f"127.0.0.1:{server.getsockname()[1]}"
        finally:
            server.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    "greeting", [b"SSH-2.0-OpenSSH_9.6\r\n", b"This is not an HTTP port", b"-ERR unknown command\r\n"]
)
def test_what_speaks_no_http_is_named(greeting: bytes) -> None:
    with plain_server(greeting) as place, pytest.raises(UnsupportedServerError, match="does not speak HTTP") as raised:
        Cluster(Connection((f"http://{place}",)), 0).require_answer()
    assert greeting.decode().strip()[:8] in str(raised.value)


def test_a_path_that_leads_to_no_elasticsearch_is_named() -> None:
    body = {"error": "no handler found for uri [/packages/_cluster/health] and method [GET]", "status": 400}
    with canned_server(lambda _: Canned(400, ELASTIC, body)) as (url, _):
        with pytest.raises(SettingsError, match=f"has the path /packages, .* give {url} alone"):
            Cluster(Connection((f"{url}/packages",)), 0).require_answer()
        with pytest.raises(RequestRefusedError, match="no handler found"):
            Cluster(Connection((url,)), 0).require_answer()


def test_https_to_a_server_without_tls_says_so() -> None:
    with canned_server(lambda _: page(200)) as (url, _), pytest.raises(UnsupportedServerError, match="not speak TLS"):
        Cluster(Connection((url.replace("http:", "https:"),)), 0).require_answer()


def test_what_elasticsearch_says_of_an_action_is_told_by_its_parts() -> None:
    reason = (
        "action [indices:admin/create] is unauthorized for user [loader] with effective roles [searcher] on indices "
        "[airlsh-models,airlsh-runs], this action is granted by the index privileges [create_index,manage,all]"
    )
    body = {"error": {"type": "security_exception", "reason": reason}, "status": 403}
    with canned_server(lambda _: Canned(403, ELASTIC, body)) as (url, _):
        with pytest.raises(AccessError, match=r"security\.md") as raised:
            Connection((url,)).client().cluster.health()
        Cluster(Connection((url,)), 0).require_answer()  # Who may not see the health may be allowed the rest.
    assert raised.value.user == "loader"
    assert raised.value.action == "indices:admin/create"
    assert raised.value.indices == ("airlsh-models", "airlsh-runs")
    assert raised.value.privileges == ("create_index", "manage", "all")
    assert pickle.loads(pickle.dumps(raised.value)).privileges == raised.value.privileges


def test_a_block_is_no_refusal_of_who_asks() -> None:
    body = {"error": {"type": "cluster_block_exception", "reason": "blocked by: [FORBIDDEN/6/...]"}, "status": 403}
    with canned_server(lambda _: Canned(403, ELASTIC, body)) as (url, _), pytest.raises(RequestRefusedError):
        Cluster(Connection((url,)), 0).require_answer()


@pytest.mark.parametrize(
    ("fields", "header"),
    [
        ({"api_key": "VnVhQ2ZHY0JDZGJrUW0="}, "ApiKey VnVhQ2ZHY0JDZGJrUW0="),
        ({"username": "ä", "password": "p:w"}, "Basic " + base64.b64encode("ä:p:w".encode()).decode()),
    ],
)
def test_credentials_and_path_prefix_reach_the_server(fields: dict[str, str], header: str) -> None:
    with canned_server(lambda _: Canned(200, ELASTIC, {"status": "green"})) as (url, requests):
        Cluster(Connection((f"{url}/proxy/es",), **fields)).require_answer()  # type: ignore[arg-type]
    assert requests[0].path.startswith("/proxy/es/_cluster/health")
    assert requests[0].headers["authorization"] == header


def test_a_redirect_gets_no_credentials() -> None:
    with canned_server(lambda _: page(200)) as (elsewhere, leaked):
        with canned_server(lambda _: Canned(307, {"location": elsewhere})) as (url, _):
            for way in ways_in(url):
                with pytest.raises(AirlshError):
                    way()
        assert leaked == []


GENUINE = Canned(200, ELASTIC, root({"number": "9.4.1"}))


def test_a_proxys_own_page_before_a_supported_server_is_tried_again() -> None:
    for status in (404, 500, 200):
        with canned_server(by_path(GENUINE, page(status, "Not here"))) as (url, _):
            with pytest.raises(UnavailableError, match=r"Not here.*a proxy answered in the place") as raised:
                Cluster(Connection((url,)), 0).require_answer()
            assert not raised.value.final


def test_the_pages_of_one_proxy_do_not_hide_the_next_node() -> None:
    with (
        canned_server(by_path(GENUINE, page(500))) as (bad, _),
        canned_server(lambda _: Canned(200, ELASTIC, {"status": "green"})) as (good, asked),
    ):
        Cluster(Connection((bad, good)), 0).require_answer()
        assert len(asked) == 1


@pytest.mark.parametrize("quoted", ["compatible-with=9", "media_type_header_exception", "in serverless mode"])
def test_an_error_that_quotes_a_user_is_no_unsupported_server(quoted: str) -> None:
    body = {"error": {"type": "parsing_exception", "reason": f"unknown query [{quoted}]"}, "status": 400}
    with canned_server(lambda _: Canned(400, ELASTIC, body)) as (url, _), pytest.raises(RequestRefusedError) as raised:
        Cluster(Connection((url,)), 0).require_answer()
    assert quoted in str(raised.value)


def test_an_error_page_of_another_framework_is_no_answer_of_elasticsearch() -> None:
    page = {"timestamp": "2026-11-29T08:00:00Z", "status": 500, "error": "Internal Server Error", "path": "/"}
    with canned_server(lambda _: Canned(500, JSON, page)) as (url, _), pytest.raises(UnsupportedServerError):
        Cluster(Connection((url,)), 0).require_answer()


@pytest.mark.parametrize("answer", [b"", b"\x16\x03\x03\x00\x7a\x02\x00\x00"])
def test_a_tls_handshake_that_breaks_off_is_tried_again(answer: bytes) -> None:
    with plain_server(answer) as place, pytest.raises(UnavailableError, match="broke the TLS handshake off") as raised:
        Cluster(Connection((f"https://{place}",)), 0).require_answer()
    assert not raised.value.final
