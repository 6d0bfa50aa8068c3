from __future__ import annotations

import base64
import os
import pickle
from pathlib import Path

import pytest

from lsh_core.elastic.connection import _CLIENTS, Connection
from lsh_core.errors import SettingsError

SECRETS = ("s3cret", "k3y")
CLOUD_ID = "deployment:" + base64.b64encode(b"europe.example:9243$0123$4567").decode()


def environment(monkeypatch: pytest.MonkeyPatch, **settings: str) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(f"AIRLSH_ES_{name}", value)


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AIRLSH_ES_")]:
        monkeypatch.delenv(name)


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
    environment(
        monkeypatch,
        USERNAME="someone",
        PASSWORD="s3cret",
        CA_CERTS="/ca.pem",
        CLIENT_CERT="/me.pem",
        CLIENT_KEY="/me.key",
        CLIENT_KEY_PASSWORD="k3y",
        VERIFY_CERTS="no",
        REQUEST_TIMEOUT_SECONDS="5",
    )
    connection = Connection.from_urls("https://es")
    assert (connection.username, connection.password) == ("someone", "s3cret")
    assert (connection.ca_certs, connection.client_cert) == ("/ca.pem", "/me.pem")
    assert (connection.client_key, connection.client_key_password) == ("/me.key", "k3y")
    assert (connection.verify_certs, connection.request_timeout_seconds) == (False, 5)


def test_the_environment_gives_an_api_key_a_fingerprint_and_a_cloud_id(monkeypatch: pytest.MonkeyPatch) -> None:
    environment(monkeypatch, API_KEY="k3y", CA_FINGERPRINT="ab" * 32, CLOUD_ID=CLOUD_ID)
    connection = Connection.from_urls()
    assert connection.urls == ("https://0123.europe.example:9243",)
    assert (connection.api_key, connection.ca_fingerprint) == ("k3y", "ab" * 32)


def test_the_user_of_an_address_takes_its_password_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    environment(monkeypatch, PASSWORD="s3cret")
    connection = Connection.from_urls("https://someone@es")
    assert (connection.username, connection.password) == ("someone", "s3cret")
    environment(monkeypatch, USERNAME="another")
    with pytest.raises(SettingsError, match="has no password"):
        Connection.from_urls("https://someone@es")


@pytest.mark.parametrize(
    ("urls", "settings", "setting"),
    [
        ("https://es", {"USERNAME": "someone", "PASSWORD": "s3cret", "API_KEY": "k3y"}, "api_key"),
        ("https://someone:s3cret@es", {"API_KEY": "k3y"}, "AIRLSH_ES_API_KEY"),
        ("https://es", {"PASSWORD": "s3cret"}, "password"),
        ("https://es", {"USERNAME": "someone"}, "username"),
        ("https://es", {"CLIENT_KEY": "/me.key"}, "client_key"),
        ("https://es", {"CA_CERTS": "/ca.pem", "CA_FINGERPRINT": "ab" * 32}, "ca_fingerprint"),
        ("https://es", {"CA_FINGERPRINT": "ab"}, "ca_fingerprint"),
        ("https://es", {"VERIFY_CERTS": "perhaps"}, "AIRLSH_ES_VERIFY_CERTS"),
        ("https://es", {"REQUEST_TIMEOUT_SECONDS": "soon"}, "AIRLSH_ES_REQUEST_TIMEOUT_SECONDS"),
        ("http://es", {"CA_CERTS": "/ca.pem"}, "ca_certs"),
        ("http://es", {"CLIENT_CERT": "/me.pem"}, "client_cert"),
        ("https://a,http://b", {}, "es"),
        (None, {"CLOUD_ID": "deployment:s3cret"}, "AIRLSH_ES_CLOUD_ID"),
    ],
)
def test_settings_that_contradict_each_other_are_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, urls: str | None, settings: dict[str, str], setting: str
) -> None:
    environment(monkeypatch, **settings)
    with pytest.raises(SettingsError) as raised:
        Connection.from_urls(urls)
    assert raised.value.setting == setting
    assert not any(secret in str(raised.value) + repr(vars(raised.value)) for secret in SECRETS)


def test_files_for_another_cluster_do_not_bar_the_local_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    environment(monkeypatch, CA_CERTS="/ca.pem", CLIENT_CERT="/me.pem")
    assert Connection.from_urls("http://127.0.0.1:9200,http://[::1]:9201").ca_certs is None


@pytest.mark.parametrize(
    "bad",
    [
        "https://:s3cret@es",
        "https://us3cret@es",
        "https://user:s3cret",
        "https://user:1/s3cret@es",
        "https://user:1?s3cret@es",
        "https://user:1#s3cret@es",
        "https://user:a,s3cret@es",
        "https://es?apikey=s3cret",
        "https://es#s3cret",
        "https://user:s3cret@a,https://user:0ther@b",
        "https://user:s3cret@a,https://else:s3cret@b",
        "https://user:s3cret@a,http://b",
        "user:s3cret",
        "https://user:s3cret@es es",
    ],
)
def test_credentials_in_no_form_are_shown_or_taken_for_a_host(bad: str) -> None:
    with pytest.raises(SettingsError) as raised:
        Connection.from_urls(bad)
    assert "s3cret" not in (str(raised.value) + repr(vars(raised.value))).replace("us3cret", "user")


@pytest.mark.parametrize(
    ("url", "user", "password"),
    [
        ("https://us%3Aer:p%40s%2Fs%2C%23%3F@es", "us:er", "p@s/s,#?"),
        ("https://user:p@ss@es", "user", "p@ss"),
        ("https://user:p:ss@es", "user", "p:ss"),
        ("https://user:%C3%A4%20+@es", "user", "ä +"),
        ("https://user:s3cret@a,https://user:s3cret@b,https://c", "user", "s3cret"),
    ],
)
def test_credentials_in_an_address_are_read_as_they_are_written(url: str, user: str, password: str) -> None:
    connection = Connection.from_urls(url)
    assert (connection.username, connection.password) == (user, password)
    assert "@" not in "".join(connection.urls)


def test_secrets_are_never_printed() -> None:
    for secrets in ({"username": "someone", "password": "s3cret"}, {"api_key": "k3y"}):
        connection = Connection(
            urls=("https://es:9200",),
            client_cert="/me",
            client_key_password="k3y",
            **secrets,  # type: ignore[arg-type]
        )
        for text in (repr(connection), str(connection), f"{connection}", "%s" % (connection,)):  # noqa: UP031
            assert not any(secret in text for secret in SECRETS)
            assert "https://es:9200" in text


@pytest.mark.parametrize("key", ["k3y\n", "k3y\r\nx-other: 1", "k3y\u00e9", "k3y\u2026"])
def test_a_key_that_no_header_holds_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(SettingsError, match="one line of printable ASCII") as raised:
        Connection(("https://es:9200",), api_key=key)
    assert raised.value.setting == "api_key"
    assert "k3y" not in str(raised.value)


def test_it_pickles_with_its_secrets_and_stays_a_key() -> None:
    connection = Connection(urls=("http://es:9200",), username="someone", password="s3cret")
    again = pickle.loads(pickle.dumps(connection))
    assert again == connection
    assert hash(again) == hash(connection)
    assert again.password == "s3cret"


@pytest.mark.parametrize(("name", "setting"), [("ca_certs", "ca_certs"), ("client_cert", "client_cert")])
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, name: str, setting: str) -> None:
    rubbish = tmp_path / "rubbish.pem"
    rubbish.write_text("rubbish")
    for file, reason in ((tmp_path / "missing.pem", "cannot be read"), (rubbish, "PEM")):
        connection = Connection(urls=("https://es:9200",), **{name: str(file)})  # type: ignore[arg-type]
        with pytest.raises(SettingsError, match=reason) as raised:
            connection.client()
        assert (raised.value.setting, raised.value.value) == (setting, str(file))


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


def test_a_closed_connection_opens_anew() -> None:
    connection, other = Connection(("http://127.0.0.1:9",)), Connection(("http://127.0.0.1:10",))
    first, beside = connection.client(), other.client()
    assert connection.client() is first
    assert Connection(("http://127.0.0.1:9",)).client() is first
    connection.close()
    assert connection.client() is not first
    assert other.client() is beside
    connection.close()
    connection.close()


def test_clients_without_end_are_not_all_kept() -> None:
    for port in range(1, 400):
        Connection((f"http://127.0.0.1:{port}",)).client()
    assert len(_CLIENTS) <= 256
