from __future__ import annotations

import pickle

import pytest

from lsh_core.elastic.connection import Connection
from lsh_core.errors import SettingsError

SECRETS = ("s3cret", "k3y")


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("API_KEY", "USERNAME", "PASSWORD", "CA_CERTS", "URL"):
        monkeypatch.delenv(f"AIRLSH_ES_{name}", raising=False)


@pytest.mark.parametrize(
    ("given", "urls"),
    [
        ("http://es:9200", ("http://es:9200",)),
        ("http://es", ("http://es:9200",)),
        ("https://es", ("https://es:443",)),
        ("es", ("http://es:9200",)),
        ("es:9201", ("http://es:9201",)),
        ("http://es:9200/", ("http://es:9200",)),
        ("https://gateway/cluster-a/", ("https://gateway:443/cluster-a",)),
        ("http://[::1]:9200", ("http://[::1]:9200",)),
        ("http://[fe80::1]", ("http://[fe80::1]:9200",)),
        ("http://a:1, http://b:2 ,,http://a:1", ("http://a:1", "http://b:2")),
        ("http://user:s3cret@es:9200", ("http://es:9200",)),
        ("user:s3cret@es", ("http://es:9200",)),
    ],
)
def test_addresses(given: str, urls: tuple[str, ...]) -> None:
    assert Connection.from_urls(given).urls == urls


@pytest.mark.parametrize(
    "bad",
    [
        "",
        " , ",
        "ftp://es:9200",
        "http://",
        "http://:9200",
        "http://es:port",
        "http://es:99999",
        "http://es:0",
        "http://[::1",
        "http://user:s3cret@",
        "http://user:s3cret@es:port",
        "http://user:s3cret@[::1",
        "ftp://user:s3cret@es",
    ],
)
def test_bad_addresses_are_refused_without_showing_a_password(bad: str) -> None:
    with pytest.raises(SettingsError) as raised:
        Connection.from_urls(bad)
    assert raised.value.setting == "es"
    assert "s3cret" not in str(raised.value) + repr(raised.value) + repr(vars(raised.value))


def test_credentials_inside_an_address_become_the_connections_own() -> None:
    connection = Connection.from_urls("https://us%40er:s3cret%2F@a,https://b")
    assert (connection.username, connection.password) == ("us@er", "s3cret/")


def test_an_address_may_not_keep_credentials() -> None:
    with pytest.raises(SettingsError, match="credentials") as raised:
        Connection(urls=("http://user:s3cret@es:9200",))
    assert "s3cret" not in str(raised.value)


def test_the_environment_gives_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRLSH_ES_USERNAME", "someone")
    monkeypatch.setenv("AIRLSH_ES_PASSWORD", "s3cret")
    monkeypatch.setenv("AIRLSH_ES_API_KEY", "k3y")
    monkeypatch.setenv("AIRLSH_ES_CA_CERTS", "/ca.pem")
    connection = Connection.from_urls("https://es")
    assert (connection.username, connection.password) == ("someone", "s3cret")
    assert (connection.api_key, connection.ca_certs) == ("k3y", "/ca.pem")


def test_secrets_are_never_printed() -> None:
    connection = Connection(urls=("http://es:9200",), username="someone", password="s3cret", api_key="k3y")
    for text in (repr(connection), str(connection), f"{connection}", "%s" % (connection,)):  # noqa: UP031
        assert not any(secret in text for secret in SECRETS)
        assert "http://es:9200" in text


def test_it_pickles_with_its_secrets_and_stays_a_key() -> None:
    connection = Connection(urls=("http://es:9200",), password="s3cret")
    again = pickle.loads(pickle.dumps(connection))
    assert again == connection
    assert hash(again) == hash(connection)
    assert again.password == "s3cret"


def test_each_node_has_one_client_that_does_not_retry() -> None:
    connection = Connection.from_urls("http://a:1,http://b:2")
    clients = [connection.client(node) for node in range(3)]
    assert clients[0] is connection.client(0)
    assert clients[0] is not clients[1]
    assert clients[2] is clients[0]
    for client, url in zip(clients, connection.urls, strict=False):
        assert client._max_retries == 0
        assert client._retry_on_timeout is False
        assert [node.base_url for node in client.transport.node_pool.all()] == [url]
