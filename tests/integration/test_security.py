"""The main job on a node with TLS and passwords, under the documented roles, and what is said where it fails."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from lsh_core.builds.aliases import live_index
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.connection import Connection
from lsh_core.elastic.search_posting import post_search
from lsh_core.elastic.server_check import check_server
from lsh_core.errors import AccessError, CertificateError, UnsupportedServerError
from lsh_core.jobs.builds import rollback
from lsh_core.jobs.index import run_index
from lsh_core.jobs.services import Services
from lsh_core.jobs.train import train
from lsh_core.search.vector_index import VectorIndex
from lsh_core.settings import IndexSettings, RollbackSettings, TrainSettings
from tests.fakes.certificates import Authority
from tests.fakes.parquet_sources import clustered, write_source
from tests.fakes.secured_node import PASSWORD, SecuredNode, secured_node

NAME, ROWS, DIMS = "packages", 500, 16
NEW = {"id": "new", "embedding": [0.1] * DIMS}
ANYTHING = b'{"index":"airlsh-*"}\n{"size":0}\n'


@pytest.fixture(scope="module")
def node(servers_folder: Path) -> Iterator[SecuredNode]:
    with secured_node(servers_folder / "secured") as running:
        yield running


@pytest.fixture(scope="module")
def indexed(node: SecuredNode, dask_cluster: Any, tmp_path_factory: pytest.TempPathFactory) -> SecuredNode:
    """The node, with two builds that the builder has made; the first is live again."""
    path = tmp_path_factory.mktemp("security") / "rows.parquet"
    source = write_source(path, [f"r{row}" for row in range(ROWS)], clustered(ROWS, DIMS))
    services = Services(node.connection("airlsh_builder"), dask_cluster.address)
    check_server(services.cluster)
    train(TrainSettings(name=NAME, source=source, metric="l2"), services)
    indices = [
        run_index(IndexSettings(name=NAME, source=source, promote=True, recall_queries=40), services).index
        for _ in range(2)
    ]
    rollback(RollbackSettings(name=NAME), services)
    assert live_index(services.cluster, NAME) == indices[0]
    return node


def ways_in(connection: Connection) -> list[Callable[[], object]]:
    """Return a request by the client of Elasticsearch, and a search past it."""
    cluster = Cluster(connection, wait_seconds=0, watch=False)
    return [cluster.require_answer, lambda: cluster.run(lambda client: post_search(client, ANYTHING))]


def test_the_writer_changes_and_the_searcher_finds(indexed: SecuredNode) -> None:
    writer = VectorIndex(NAME, indexed.connection("airlsh_writer"))
    searcher = VectorIndex(NAME, indexed.connection("airlsh_searcher"))
    assert writer.upsert([NEW], refresh=True).changed == 1
    assert searcher.search([0.1] * DIMS).neighbours[0].id == "new"
    assert len(searcher.search(id="r2").neighbours) == 10
    assert writer.delete(["new"], refresh=True).changed == 1
    assert searcher.search([0.1] * DIMS).neighbours[0].id != "new"


def test_nobody_may_do_more_than_their_role(indexed: SecuredNode) -> None:
    admin = indexed.connection().client()
    admin.index(index="other", id="1", document={"a": 1}, refresh=True)
    searcher = indexed.connection("airlsh_searcher")
    live = live_index(Cluster(indexed.connection()), NAME)
    assert live is not None
    refused: list[Callable[[], object]] = [
        lambda: VectorIndex(NAME, searcher).upsert([NEW]),
        lambda: VectorIndex(NAME, searcher).delete(["r1"]),
        lambda: searcher.client().index(index=live, id="x", document={}),
        lambda: searcher.client().indices.delete(index=live),
        lambda: searcher.client().search(index="other"),
        lambda: searcher.client().search(index="airlsh-changes"),
        lambda: indexed.connection("airlsh_writer").client().indices.delete(index=live),
        lambda: indexed.connection("airlsh_writer").client().search(index="other"),
        lambda: indexed.connection("airlsh_builder").client().search(index="other"),
    ]
    for action in refused:
        with pytest.raises(AccessError, match=r"lacks indices:.* on .*; any of the privileges .*security\.md"):
            action()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"password": "wr0ng"}, "unable to authenticate user \\[admin\\]"),
        ({"username": None, "password": None}, "missing authentication credentials"),
        ({"username": None, "password": None, "api_key": "d3JvbmcAAAA="}, "401"),
    ],
)
def test_wrong_credentials_are_said_without_being_shown(node: SecuredNode, fields: dict[str, Any], said: str) -> None:
    for way in ways_in(node.connection(**fields)):
        with pytest.raises(AccessError, match=said) as raised:
            way()
        assert "wr0ng" not in str(raised.value)


def test_a_fingerprint_and_a_client_certificate_let_in(node: SecuredNode) -> None:
    mine = node.authority.sign("mine", password="k3y")
    shown = {"client_cert": str(mine.certificate), "client_key": str(mine.key), "client_key_password": "k3y"}
    for fields in (shown, {"ca_fingerprint": node.authority.fingerprint}, {"http_compress": True}):
        Cluster(node.connection(**fields), 0).require_answer()


def test_a_search_takes_the_same_ways_in_past_the_client(node: SecuredNode, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = node.authority.sign("past", password="k3y")
    shown = {"client_cert": str(mine.certificate), "client_key": str(mine.key), "client_key_password": "k3y"}
    trusted = {"ca_fingerprint": node.authority.fingerprint}
    for fields in ({}, shown, trusted, {"http_compress": True}, {"ca_certs": None, "verify_certs": False}):
        client = node.connection(**fields).client()
        with monkeypatch.context() as patch:
            patch.setattr(client, "perform_request", None)  # The client would repeat a search that failed.
            for _ in range(2):
                assert post_search(client, ANYTHING)[0]["_shards"]["failed"] == 0


def test_certificates_that_do_not_fit_are_named_with_a_remedy(node: SecuredNode, open_folder: Path) -> None:
    stranger = Authority(open_folder, "stranger")
    unknown = stranger.sign("unknown")
    user = {"username": "admin", "password": PASSWORD}
    refused = {
        "not trusted here. Give the PEM file": node.connection(ca_certs=str(stranger.ca)),
        "another fingerprint": node.connection(ca_fingerprint="ab" * 32),
        "does not take the client certificate": node.connection(
            client_cert=str(unknown.certificate), client_key=str(unknown.key)
        ),
        "for another host name": Connection(
            (node.url.replace("127.0.0.1", "localhost"),), ca_certs=str(node.authority.ca), **user
        ),
    }
    for said, connection in refused.items():
        for way in ways_in(connection):
            with pytest.raises(CertificateError, match=said):
                way()


def test_http_to_a_server_with_tls_says_so_and_sends_no_password(node: SecuredNode) -> None:
    plain = Connection((node.url.replace("https:", "http:"),), username="admin", password=PASSWORD)
    for way in ways_in(plain):
        with pytest.raises(UnsupportedServerError, match=r"wants TLS.*write https") as raised:
            way()
        assert PASSWORD not in str(raised.value)


@pytest.fixture
def proxy(node: SecuredNode, open_folder: Path) -> Iterator[Callable[..., str]]:
    """A reverse proxy with TLS before the node: it wants a client certificate, and serves below a path."""
    servers: list[ThreadingHTTPServer] = []
    upstream = node.connection().client()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0))) or None
            asked = {
                name: self.headers[name] for name in ("accept", "content-type", "authorization") if self.headers[name]
            }
            (pool,) = upstream.transport.node_pool.all()
            answer = pool.pool.urlopen(
                self.command, self.path.removeprefix("/behind/es"), body=body, headers=asked, retries=False
            )
            self.send_response_only(answer.status)
            for name in ("content-type", "x-elastic-product"):
                if name in answer.headers:
                    self.send_header(name, answer.headers[name])
            self.send_header("content-length", str(len(answer.data)))
            self.end_headers()
            self.wfile.write(answer.data)

        do_GET = do_POST = do_PUT = do_DELETE = _any

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    def start(**certificate: int) -> str:
        signed = node.authority.sign("proxy", **certificate)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(node.authority.ca))
        context.load_cert_chain(signed.certificate, signed.key)
        context.verify_mode = ssl.CERT_REQUIRED
        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        server.socket = context.wrap_socket(server.socket, server_side=True)
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return f"https://127.0.0.1:{server.server_address[1]}/behind/es"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_search_through_a_proxy_with_a_path_and_a_client_certificate(
    indexed: SecuredNode, proxy: Callable[..., str]
) -> None:
    mine = indexed.authority.sign("through", password="k3y")
    trusting: dict[str, Any] = {
        "urls": (proxy(),),
        "username": "airlsh_searcher",
        "password": PASSWORD,
        "ca_certs": str(indexed.authority.ca),
    }
    shown = {"client_cert": str(mine.certificate), "client_key": str(mine.key), "client_key_password": "k3y"}
    assert VectorIndex(NAME, Connection(**trusting, **shown)).search(id="r2").neighbours
    with pytest.raises(CertificateError, match=r"wants a client certificate.* Give AIRLSH_ES_CLIENT_CERT"):
        Cluster(Connection(**trusting), 0).require_answer()
    with pytest.raises(CertificateError, match="expired"):
        Cluster(Connection(**{**trusting, "urls": (proxy(days=-1),)}, **shown), 0).require_answer()
