"""From an Airflow connection of type ``airlsh_elasticsearch`` to the connection that jobs take."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook

from lsh_core.errors import SettingsError

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

    from lsh_core.elastic.connection import Connection

_DEFAULT_TIMEOUT_SECONDS = 30.0

# The test runs in Airflow's API server, which must not be kept waiting.
_TEST_SECONDS = 5


class ElasticsearchHook(BaseHook):
    """Reads one Airflow connection: nodes from its host, credentials from login, password and extra.

    Parameters
    ----------
    airlsh_elasticsearch_conn_id
        Id of a connection of type ``airlsh_elasticsearch``.
    """

    conn_name_attr = "airlsh_elasticsearch_conn_id"
    default_conn_name = "airlsh_elasticsearch_default"
    conn_type = "airlsh_elasticsearch"
    hook_name = "Elasticsearch (airlsh)"

    def __init__(self, airlsh_elasticsearch_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.airlsh_elasticsearch_conn_id = airlsh_elasticsearch_conn_id

    @cached_property
    def connection(self) -> Connection:
        """The value that ``lsh_core.jobs.services.Services`` holds.

        Credentials come from the Airflow connection alone, never from the worker's environment: an
        address that someone types into the form must not receive secrets that were meant for another.

        Raises
        ------
        SettingsError
            An address that is missing, not ``http(s)://host:port``, or holds a password.
        """
        from lsh_core.elastic.connection import Connection

        stored = self.get_connection(self.airlsh_elasticsearch_conn_id)
        extra: dict[str, Any] = stored.extra_dejson
        nodes = stored.host or ""
        if "@" in nodes:
            raise SettingsError("nodes", nodes.split("@")[-1], "put user and password into their own fields")
        timeout = extra.get("request_timeout_seconds")
        verify = extra.get("verify_certs")
        return Connection(
            urls=Connection.from_urls(nodes).urls,
            api_key=extra.get("api_key") or None,
            username=stored.login or None,
            password=stored.password or None,
            ca_certs=extra.get("ca_certs") or None,
            verify_certs=True if verify is None else bool(verify),
            request_timeout_seconds=float(timeout) if timeout else _DEFAULT_TIMEOUT_SECONDS,
        )

    def get_conn(self) -> Elasticsearch:
        """Return the client of the first node; loads take one client a node from `connection` instead."""
        return self.connection.client()

    def test_connection(self) -> tuple[bool, str]:
        """Ask every node for the cluster's health: what the button "Test" of the connection form shows."""
        from elasticsearch import ApiError, TransportError

        try:
            connection = self.connection
        except SettingsError as error:
            return False, str(error)
        answers = []
        for node, url in enumerate(connection.urls):
            client = connection.client(node).options(request_timeout=_TEST_SECONDS)
            try:
                health = client.cluster.health()
            except (ApiError, TransportError) as error:
                return False, f"{url}: {error}"
            answers.append(f"{url}: cluster {health['cluster_name']!r} is {health['status']}")
        return True, "; ".join(answers)
