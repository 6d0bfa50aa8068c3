"""Who holds a lease, for tests that look on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lsh_core.elastic.leases import LeaseRecord, LeaseStore
from lsh_core.elastic.system_indices import LEASES, ensure_system_index

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch


def holder_of(client: Elasticsearch, name: str, scope: str) -> LeaseRecord | None:
    """Return the lease if somebody seems to hold it now."""
    ensure_system_index(client, LEASES)
    found = LeaseStore(client).read(name, scope)
    return None if found is None or found.released or found.overdue else found
