"""What Airflow is told about this package: its connection types and the fields of their forms.

Airflow 3 builds the connection form from this alone, without importing a hook.
"""

from __future__ import annotations

from typing import Any

_ELASTICSEARCH: dict[str, Any] = {
    "connection-type": "airlsh_elasticsearch",
    "hook-class-name": "lsh_airflow.elasticsearch_hook.ElasticsearchHook",
    "hook-name": "Elasticsearch (airlsh)",
    # The addresses stay in the standard field "host": Airflow's connection test only lends a stored
    # password to the host that it was stored with.
    "ui-field-behaviour": {
        "hidden-fields": ["port", "schema"],
        "relabeling": {"host": "Nodes", "login": "User"},
        "placeholders": {"host": "http://es-1:9200, http://es-2:9200"},
    },
    "conn-fields": {
        "api_key": {
            "label": "API key",
            "description": "Encoded API key; used instead of user and password.",
            "schema": {"type": ["string", "null"], "format": "password"},
        },
        "ca_certs": {
            "label": "CA certificates",
            "description": "PEM file on the workers that https nodes are checked against.",
            "schema": {"type": ["string", "null"]},
        },
        "verify_certs": {
            "label": "Verify certificates",
            "schema": {"type": ["boolean", "null"], "default": True},
        },
        "request_timeout_seconds": {
            "label": "Request timeout",
            "description": "Seconds until one request is given up.",
            "schema": {"type": ["number", "null"], "default": 30, "exclusiveMinimum": 0},
        },
    },
}

_DASK: dict[str, Any] = {
    "connection-type": "dask",
    "hook-class-name": "lsh_airflow.dask_hook.DaskHook",
    "hook-name": "Dask cluster",
    "ui-field-behaviour": {
        "hidden-fields": ["schema", "login", "password"],
        "relabeling": {"host": "Scheduler host"},
        "placeholders": {"host": "dask-scheduler", "port": "8786"},
    },
    "conn-fields": {
        "protocol": {
            "label": "Protocol",
            "description": "tls takes its certificates from Dask's own configuration.",
            "schema": {"type": ["string", "null"], "enum": ["tcp", "tls"], "default": "tcp"},
        },
        "minimum_workers": {
            "label": "Minimum workers",
            "description": "The connection test fails with fewer.",
            "schema": {"type": ["integer", "null"], "default": 1, "minimum": 0},
        },
    },
}


def get_provider_info() -> dict[str, Any]:
    """Return the metadata that the entry point ``apache_airflow_provider`` promises."""
    return {
        "package-name": "airlsh",
        "name": "airlsh",
        "description": "Similarity-search indices in Elasticsearch, built by Airflow and Dask.",
        "connection-types": [_ELASTICSEARCH, _DASK],
    }
