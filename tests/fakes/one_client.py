"""A connection to one node, whose client a test has made."""

from __future__ import annotations

from typing import Any

from lsh_core.elastic.cluster import Cluster


class OneClient:
    """A connection whose only client is the given one."""

    urls = ("http://fake:9200",)

    def __init__(self, client: Any) -> None:
        self._client = client

    def client(self, node: int = 0) -> Any:
        """Return the client."""
        return self._client


def cluster_of(client: Any) -> Cluster:
    """Return a cluster of one node with this client."""
    connection: Any = OneClient(client)
    return Cluster(connection)
