"""The connection types, and what jobs get from them."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers_manager import ProvidersManager
from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime

from lsh_airflow.dask_hook import DaskHook
from lsh_airflow.elasticsearch_hook import ElasticsearchHook
from lsh_airflow.provider_info import get_provider_info
from lsh_airflow.services import services_from_connections
from lsh_core.errors import SettingsError

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
    assert {"api_key", "ca_certs", "verify_certs", "request_timeout_seconds", "minimum_workers"} <= set(fields)
    assert fields["api_key"].is_sensitive


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


def test_secrets_of_the_environment_do_not_reach_an_address_from_the_form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRLSH_ES_API_KEY", "of another cluster")
    monkeypatch.setenv("AIRLSH_ES_USERNAME", "someone")
    monkeypatch.setenv("AIRLSH_ES_PASSWORD", "secret")
    store(monkeypatch, "es", conn_type="airlsh_elasticsearch", host="http://elsewhere:9200")
    connection = ElasticsearchHook("es").connection
    assert (connection.username, connection.password, connection.api_key) == (None, None, None)


@pytest.mark.parametrize("host", [None, "ftp://es-1:9200", "http://user:secret@es-1:9200"])
def test_an_address_that_cannot_be_used_is_refused_without_its_password(
    monkeypatch: pytest.MonkeyPatch, host: str | None
) -> None:
    store(monkeypatch, "es", conn_type="airlsh_elasticsearch", host=host)
    with pytest.raises(SettingsError) as refused:
        ElasticsearchHook("es").connection  # noqa: B018 - reading it is the test
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("fields", "address"),
    [
        ({"host": "scheduler", "port": 8000}, "tcp://scheduler:8000"),
        ({"host": "scheduler"}, "tcp://scheduler:8786"),
        ({"host": "scheduler", "extra": {"protocol": "tls"}}, "tls://scheduler:8786"),
    ],
)
def test_the_address_of_a_scheduler(monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], address: str) -> None:
    store(monkeypatch, "dask_here", conn_type="dask", **fields)
    assert DaskHook("dask_here").address == address


def test_a_dask_connection_without_a_host_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    store(monkeypatch, "dask_here", conn_type="dask")
    with pytest.raises(SettingsError, match="names no Dask scheduler"):
        DaskHook("dask_here").address  # noqa: B018 - reading it is the test


def test_the_services_of_a_task_come_from_both(connections: None) -> None:
    services = services_from_connections(CONTEXT)
    assert services.caller.identity == "index_vectors/manual__1"
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
