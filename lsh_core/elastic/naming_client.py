"""A client of Elasticsearch whose errors know the request that failed."""

from __future__ import annotations

from functools import cache
from typing import Any

from elasticsearch import ApiError, Elasticsearch, TransportError

from lsh_core.elastic.refusals import REQUEST


@cache
def naming_client() -> type[Elasticsearch]:
    """Return the stock client's class, but its errors carry their request as the attribute `REQUEST`."""

    class NamingClient(Elasticsearch):
        def perform_request(self, method: str, path: str, **options: Any) -> Any:
            try:
                return super().perform_request(method, path, **options)
            except (ApiError, TransportError) as error:
                setattr(error, REQUEST, f"{method} {path.partition('?')[0]}")
                raise

    return NamingClient
