"""Hook that turns an Airflow connection into a connection to Elasticsearch.

Its type is ``airlsh_elasticsearch`` or ``elasticsearch``.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from airflow.sdk import BaseHook

from lsh_airflow.elasticsearch_fields import connection_from_fields
from lsh_core.errors import AirlshError, SettingsError

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

    from lsh_core.elastic.connection import Connection

# The test runs in Airflow's API server, which must not be kept waiting.
_TEST_SECONDS = 5


class ElasticsearchHook(BaseHook):
    """Reads one Airflow connection; see `lsh_airflow.elasticsearch_fields` for its fields.

    Parameters
    ----------
    airlsh_elasticsearch_conn_id
        Id of a connection of type ``airlsh_elasticsearch``, or ``elasticsearch`` of Airflow's own provider.
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
        """Connection for ``lsh_core.jobs.services.Services``.

        Credentials come from the Airflow connection alone, never from the worker's environment: an address from a form
        must not receive secrets of another server.

        Raises
        ------
        SettingsError
            A field is not supported, or the address is missing, invalid, or holds a password.
        """
        stored = self.get_connection(self.airlsh_elasticsearch_conn_id)
        try:
            return connection_from_fields(
                stored.conn_type,
                host=stored.host,
                schema=stored.schema,
                port=stored.port,
                login=stored.login,
                password=stored.password,
                extra=stored.extra_dejson,
            )
        except SettingsError as error:
            raise error.with_note(f"Airflow connection {self.airlsh_elasticsearch_conn_id!r}") from None

    def get_conn(self) -> Elasticsearch:
        """Return the client of the first node.

        Loads use one client per node from `connection` instead.
        """
        return self.connection.client()

    def test_connection(self) -> tuple[bool, str]:
        """Ask every node for the health of the cluster, for the button "Test"."""
        from elasticsearch import ApiError, TransportError

        try:
            connection = self.connection
        except AirlshError as error:
            return False, str(error)
        answers = []
        for node, url in enumerate(connection.urls):
            try:
                health = connection.client(node).options(request_timeout=_TEST_SECONDS).cluster.health()
            except AirlshError as error:
                return False, str(error)
            except (ApiError, TransportError) as error:
                return False, f"{url}: {error}"
            answers.append(f"{url}: cluster {health['cluster_name']!r} is {health['status']}")
        return True, "; ".join(answers)
