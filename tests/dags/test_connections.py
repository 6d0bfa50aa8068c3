"""The connection types, and what jobs get from them."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers_manager import ProvidersManager
from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime

from lsh_airflow.dask_hook import DaskHook
from lsh_airflow.elasticsearch_hook import ElasticsearchHook
from lsh_airflow.provider_info import get_provider_info
from lsh_airflow.services import services_from_connections
from lsh_core.elastic.connection import Connection
from lsh_core.errors import SettingsError
from lsh_core.jobs.dask import scheduler_probe
from lsh_core.local.airflow_standalone import AirflowStandalone
from tests.fakes.http_server import HTML, Canned, canned_server

CONTEXT = {"dag_run": SimpleNamespace(dag_id="index_vectors", run_id="manual__1")}


def store(monkeypatch: pytest.MonkeyPatch, identifier: str, **fields: Any) -> None:
    monkeypatch.setenv(f"AIRFLOW_CONN_{identifier.upper()}", json.dumps(fields))


def test_airflow_knows_both_types_and_their_hooks() -> None:
    hooks = ProvidersManagerTaskRuntime().hooks
    for connection_type in get_provider_info()["connection-types"]:
        found = hooks[connection_type["connection-type"]]
        assert found is not None
        assert found.hook_class_name == connection_type["hook-class-name"]
        assert found.hook_name == connection_type["hook-name"]
        assert found.package_name == "airlsh"


@pytest.mark.parametrize("hook", [DaskHook, ElasticsearchHook])
def test_a_hook_and_the_metadata_tell_the_same(hook: type) -> None:
    (described,) = (
        entry for entry in get_provider_info()["connection-types"] if entry["connection-type"] == hook.conn_type
    )
    assert described["hook-class-name"] == f"{hook.__module__}.{hook.__qualname__}"
    assert described["hook-name"] == hook.hook_name


def test_the_fields_of_the_forms_are_offered() -> None:
    fields = {field.field_name: field for field in ProvidersManager().connection_form_widgets.values() if field}
    assert {
        "api_key",
        "client_key_password",
        "ca_certs",
        "verify_certs",
        "request_timeout_seconds",
        "minimum_workers",
    } <= set(fields)
    assert fields["api_key"].is_sensitive
    assert fields["client_key_password"].is_sensitive


def test_every_field_reaches_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {"ca_certs": "/ca.pem", "verify_certs": False, "request_timeout_seconds": 5}
    nodes = "https://es-1:9200, https://es-2:9201/"
    store(
        monkeypatch, "es", conn_type="airlsh_elasticsearch", host=nodes, login="loader", password="secret", extra=extra
    )
    connection = ElasticsearchHook("es").connection
    assert connection.urls == ("https://es-1:9200", "https://es-2:9201")
    assert (connection.username, connection.password, connection.api_key) == ("loader", "secret", None)
    assert (connection.ca_certs, connection.verify_certs) == ("/ca.pem", False)
    assert connection.request_timeout_seconds == 5


def test_the_local_airflow_gets_every_field_of_a_connection(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    connection = Connection(
        urls=("https://es-1:1", "https://es-2:2/path"),
        username="loader",
        password="secret",
        ca_certs="/ca.pem",
        verify_certs=False,
        request_timeout_seconds=5,
        client_cert="/me.pem",
        client_key="/me.key",
        client_key_password="secret",
        http_compress=True,
    )
    settings = AirflowStandalone(project=tmp_path, elasticsearch=connection).settings(tmp_path)
    monkeypatch.setenv("AIRFLOW_CONN_ES", settings["AIRFLOW_CONN_AIRLSH_ELASTICSEARCH_DEFAULT"])
    assert ElasticsearchHook("es").connection == connection


def test_secrets_of_the_environment_do_not_reach_an_address_from_the_form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRLSH_ES_API_KEY", "of another cluster")
    monkeypatch.setenv("AIRLSH_ES_USERNAME", "someone")
    monkeypatch.setenv("AIRLSH_ES_PASSWORD", "secret")
    store(monkeypatch, "es", conn_type="airlsh_elasticsearch", host="http://elsewhere:9200")
    connection = ElasticsearchHook("es").connection
    assert (connection.username, connection.password, connection.api_key) == (None, None, None)


@pytest.mark.parametrize("host", [None, "ftp://es-1:9200", "http://user:secret@es-1:9200", "https://:secret@es-1"])
def test_an_address_that_cannot_be_used_is_refused_without_its_password(
    monkeypatch: pytest.MonkeyPatch, host: str | None
) -> None:
    store(monkeypatch, "es", conn_type="airlsh_elasticsearch", host=host)
    with pytest.raises(SettingsError) as refused:
        ElasticsearchHook("es").connection  # noqa: B018 - reading it is the test
    assert "secret" not in str(refused.value)
    assert refused.value.__notes__ == ["Airflow connection 'es'"]


@pytest.mark.parametrize("conn_type", ["airlsh_elasticsearch", "elasticsearch"])
@pytest.mark.parametrize(
    ("fields", "urls"),
    [
        ({"host": "es-1", "port": 9201, "schema": "https"}, ("https://es-1:9201",)),
        ({"host": "es-1", "schema": "https"}, ("https://es-1:9200",)),
        ({"host": "es-1", "schema": "HTTPS"}, ("https://es-1:9200",)),
        ({"host": "es-1"}, ("http://es-1:9200",)),
        ({"host": "https://es-1"}, ("https://es-1:443",)),
        ({"host": "https://es-1", "port": 9201}, ("https://es-1:9201",)),
        ({"host": "https://es-1:9201", "port": 9201, "schema": "https"}, ("https://es-1:9201",)),
        ({"host": "es-1,es-2:1, ::1", "port": None, "schema": "https"}, None),
        ({"host": "es-1,es-2,[::1]", "port": 9201, "schema": "https"},
         ("https://es-1:9201", "https://es-2:9201", "https://[::1]:9201")),
        ({"host": "es-1:1,es-2:2", "schema": "https"}, ("https://es-1:1", "https://es-2:2")),
        ({"host": "proxy/es", "port": 1, "schema": "https"}, ("https://proxy:1/es",)),
        ({"host": "es-1", "extra": {"use_ssl": "true"}}, ("https://es-1:9200",)),
        ({"host": "es-1", "extra": {"scheme": "https"}}, ("https://es-1:9200",)),
    ],
)  # fmt: skip
def test_host_port_and_schema_make_the_address(
    monkeypatch: pytest.MonkeyPatch, conn_type: str, fields: dict[str, Any], urls: tuple[str, ...] | None
) -> None:
    store(monkeypatch, "es", conn_type=conn_type, **fields)
    if urls is None:
        with pytest.raises(SettingsError, match="must look like"):
            ElasticsearchHook("es").connection  # noqa: B018 - reading it is the test
    else:
        assert ElasticsearchHook("es").connection.urls == urls


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("elasticsearch://loader:secret@es-1:9201/https", {"urls": ("https://es-1:9201",), "password": "secret"}),
        ("elasticsearch://l%40er:s%2Fe@es-1/https", {"username": "l@er", "password": "s/e"}),
        ("elasticsearch://https://es-1:9201", {"urls": ("https://es-1:9201",)}),
        ("airlsh-elasticsearch://es-1:9201/https?verify_certs=false", {"verify_certs": False}),
        ("airlsh-elasticsearch://es-1/https?verify_certs=0&http_compress=1", {"http_compress": True}),
        ("elasticsearch://es-1/https?verify_certs=no&timeout=5", {"request_timeout_seconds": 5.0}),
        ("elasticsearch://es-1/https?verify_certs=True&request_timeout=2.5", {"request_timeout_seconds": 2.5}),
        (
            "elasticsearch://es-1/https?ca_certs=%2Fca.pem&client_cert=%2Fme",
            {"ca_certs": "/ca.pem", "client_cert": "/me"},
        ),
        ("elasticsearch://es-1/https?api_key=secret", {"api_key": "secret", "username": None}),
        ("elasticsearch://es-1/https?ssl_show_warn=off&verify_certs=off", {"verify_certs": False}),
        ("elasticsearch://es-1/https?ssl_assert_fingerprint=" + "ab" * 32, {"ca_fingerprint": "ab" * 32}),
        ("elasticsearch://es-1", {"verify_certs": True, "http_compress": False, "request_timeout_seconds": 30.0}),
    ],
)
def test_a_connection_as_a_uri(monkeypatch: pytest.MonkeyPatch, uri: str, expected: dict[str, Any]) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_ES", uri)
    connection = ElasticsearchHook("es").connection
    assert {name: getattr(connection, name) for name in expected} == expected


def test_a_cloud_id_takes_the_place_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    cloud_id = "deployment:" + base64.b64encode(b"europe.example$0123$4567").decode()
    store(monkeypatch, "es", conn_type="elasticsearch", extra={"cloud_id": cloud_id, "api_key": "key"})
    assert ElasticsearchHook("es").connection.urls == ("https://0123.europe.example:443",)


@pytest.mark.parametrize(
    ("fields", "setting"),
    [
        ({"host": "http://es-1", "schema": "https"}, "schema"),
        ({"host": "https://es-1", "schema": "http"}, "schema"),
        ({"host": "es-1", "schema": "my_index"}, "schema"),
        ({"host": "es-1", "schema": "http", "extra": {"use_ssl": "yes"}}, "schema"),
        ({"host": "es-1:9200", "port": 9201}, "port"),
        ({"host": "es-1,es-2:9200", "port": 9201}, "port"),
        ({"host": "es-1", "password": "secret"}, "password"),
        ({"host": "es-1", "login": "loader"}, "username"),
        ({"host": "es-1", "login": "loader", "password": "secret", "extra": {"api_key": "secret"}}, "api_key"),
        ({"host": "es-1", "extra": {"api_key": ["id", "secret"]}}, "api_key"),
        ({"host": "es-1", "extra": {"basic_auth": ["loader", "secret"]}}, "basic_auth"),
        ({"host": "es-1", "extra": {"bearer_auth": "secret"}}, "bearer_auth"),
        ({"host": "es-1", "extra": {"max_retries": 3}}, "max_retries"),
        ({"host": "es-1", "extra": {"fetch_size": 3}}, "fetch_size"),
        ({"host": "es-1", "extra": {"headers": {"authorization": "secret"}}}, "headers"),
        ({"host": "es-1", "extra": {"verify_certs": "perhaps"}}, "verify_certs"),
        ({"host": "es-1", "extra": {"http_compress": "perhaps"}}, "http_compress"),
        ({"host": "es-1", "extra": {"timeout": "soon"}}, "request_timeout_seconds"),
        ({"host": "es-1", "extra": {"timeout": 1, "request_timeout": 2}}, "request_timeout"),
        ({"host": "es-1", "extra": {"ca_certs": "/ca.pem"}}, "ca_certs"),
        ({"host": "es-1", "extra": {"cloud_id": "x"}}, "host"),
        ({"extra": {"cloud_id": "x"}}, "cloud_id"),
        ({"host": "es-1", "conn_type": "http"}, "conn_type"),
    ],
)
def test_a_field_that_cannot_be_honoured_is_refused_by_its_name(
    monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], setting: str
) -> None:
    store(monkeypatch, "es", **{"conn_type": "elasticsearch", **fields})
    with pytest.raises(SettingsError) as refused:
        ElasticsearchHook("es").connection  # noqa: B018 - reading it is the test
    assert refused.value.setting == setting
    assert "secret" not in str(refused.value) + repr(vars(refused.value))


@pytest.mark.parametrize(
    ("fields", "address"),
    [
        ({"host": "scheduler", "port": 8000}, "tcp://scheduler:8000"),
        ({"host": "scheduler"}, "tcp://scheduler:8786"),
        ({"host": "scheduler", "extra": {"protocol": "tls"}}, "tls://scheduler:8786"),
        ({"host": "tcp://scheduler"}, "tcp://scheduler:8786"),
        ({"host": "tls://scheduler:8787"}, "tls://scheduler:8787"),
        ({"host": "::1", "port": 8000}, "tcp://[::1]:8000"),
    ],
)
def test_the_address_of_a_scheduler(monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], address: str) -> None:
    store(monkeypatch, "dask_here", conn_type="dask", **fields)
    assert DaskHook("dask_here").address == address


@pytest.mark.parametrize(
    ("fields", "setting"),
    [
        ({"host": "tls://scheduler", "extra": {"protocol": "tcp"}}, "protocol"),
        ({"host": "scheduler", "extra": {"protocol": "http"}}, "protocol"),
        ({"host": "scheduler:1", "port": 2}, "port"),
        ({"host": "scheduler", "login": "me"}, "login"),
        ({"host": "scheduler", "password": "secret"}, "password"),
        ({"host": "scheduler", "schema": "tls"}, "schema"),
        ({"host": "scheduler", "extra": {"tls_ca_file": "/ca.pem"}}, "tls_ca_file"),
        ({"host": "me:secret@scheduler"}, "host"),
    ],
)
def test_a_field_that_is_not_dasks_is_refused_by_its_name(
    monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], setting: str
) -> None:
    store(monkeypatch, "dask_here", conn_type="dask", **fields)
    with pytest.raises(SettingsError) as refused:
        DaskHook("dask_here").address  # noqa: B018 - reading it is the test
    assert refused.value.setting == setting
    assert "secret" not in str(refused.value)


def test_the_number_of_workers_may_be_text_and_must_be_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    store(monkeypatch, "dask_here", conn_type="dask", host="scheduler", extra={"minimum_workers": "many"})
    works, message = DaskHook("dask_here").test_connection()
    assert (works, "minimum_workers='many'" in message) == (False, True)


def test_the_test_of_a_dask_connection_says_what_answers_in_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler_probe, "_LISTEN_SECONDS", 0.3)
    with canned_server(lambda _: Canned(200, HTML, b"<html></html>")) as (url, _):
        store(monkeypatch, "dask_here", conn_type="dask", host="127.0.0.1", port=int(url.rpartition(":")[2]))
        works, message = DaskHook("dask_here").test_connection()
    assert (works, "it speaks HTTP" in message) == (False, True)
    works, message = DaskHook("dask_here").test_connection()
    assert (works, "Dask scheduler at tcp://127.0.0.1:" in message) == (False, True)


def test_a_dask_connection_without_a_host_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    store(monkeypatch, "dask_here", conn_type="dask")
    with pytest.raises(SettingsError, match="names no Dask scheduler"):
        DaskHook("dask_here").address  # noqa: B018 - reading it is the test


def test_the_services_of_a_task_come_from_both(connections: None) -> None:
    services = services_from_connections(CONTEXT)
    assert services.caller.id == "index_vectors/manual__1"
    assert "run manual__1" in services.caller.description
    assert services.connection.urls == ("http://127.0.0.1:9",)
    assert services.dask == "tcp://127.0.0.1:9"


def test_a_connection_that_nobody_made_says_where_to_make_it(
    connections: None, monkeypatch: pytest.MonkeyPatch, airflow_database: None
) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_DASK_DEFAULT")
    with pytest.raises(SettingsError, match=r"dask_default.*Admin > Connections"):
        services_from_connections(CONTEXT)


def test_the_button_test_says_that_nobody_answers(connections: None) -> None:
    works, message = ElasticsearchHook().test_connection()
    assert not works
    assert message.startswith("http://127.0.0.1:9: ")
