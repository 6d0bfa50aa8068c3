"""Provider metadata for Airflow: the connection types and the fields of their forms.

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
        "hidden-fields": [],
        "relabeling": {"host": "Nodes", "schema": "Scheme", "login": "User"},
        "placeholders": {
            "host": "https://es-1:9200, https://es-2:9200",
            "schema": "of nodes without one: http or https",
            "port": "of nodes without one",
        },
    },
    "conn-fields": {
        "api_key": {
            "label": "API key",
            "description": "Encoded API key, in the place of user and password.",
            "schema": {"type": ["string", "null"], "format": "password"},
        },
        "cloud_id": {
            "label": "Cloud ID",
            "description": "In the place of nodes.",
            "schema": {"type": ["string", "null"]},
        },
        "ca_certs": {
            "label": "CA certificates",
            "description": "PEM file on the workers that https nodes are checked against.",
            "schema": {"type": ["string", "null"]},
        },
        "ca_fingerprint": {
            "label": "CA fingerprint",
            "description": "SHA-256 of a certificate in the chain of the nodes, in the place of a file.",
            "schema": {"type": ["string", "null"]},
        },
        "client_cert": {
            "label": "Client certificate",
            "description": "PEM file on the workers; it may hold the key as well.",
            "schema": {"type": ["string", "null"]},
        },
        "client_key": {
            "label": "Client key",
            "description": "PEM file on the workers.",
            "schema": {"type": ["string", "null"]},
        },
        "client_key_password": {
            "label": "Password of the client key",
            "schema": {"type": ["string", "null"], "format": "password"},
        },
        "verify_certs": {
            "label": "Verify certificates",
            "schema": {"type": ["boolean", "null"], "default": True},
        },
        "http_compress": {
            "label": "Compress requests",
            "schema": {"type": ["boolean", "null"], "default": False},
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
            "description": "Default: tcp. tls takes its certificates from Dask's own configuration.",
            "schema": {"type": ["string", "null"], "enum": ["tcp", "tls", "ws", "wss", None]},
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
