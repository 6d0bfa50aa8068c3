"""Client of Elasticsearch whose errors name the failed request."""

from __future__ import annotations

from functools import cache
from typing import Any

from elasticsearch import ApiError, Elasticsearch, TransportError

from lsh_core.elastic.refusals import REQUEST


@cache
def naming_client() -> type[Elasticsearch]:
    """Return a client class whose errors carry their request.

    The request is the attribute `REQUEST` of the error. Otherwise the class is the stock client.
    """

    class NamingClient(Elasticsearch):
        def perform_request(self, method: str, path: str, **options: Any) -> Any:
            try:
                return super().perform_request(method, path, **options)
            except (ApiError, TransportError) as error:
                setattr(error, REQUEST, f"{method} {path.partition('?')[0]}")
                raise

    return NamingClient
