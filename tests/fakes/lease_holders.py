"""Who holds a lease, for tests that look on."""

from __future__ import annotations

from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.leases import LeaseRecord, LeaseStore
from lsh_core.elastic.system_indices import LEASES, ensure_system_index


def holder_of(cluster: Cluster, name: str, scope: str) -> LeaseRecord | None:
    """Return the lease if somebody seems to hold it now."""
    ensure_system_index(cluster, LEASES)
    found = LeaseStore(cluster).read(name, scope)
    return None if found is None or found.released or found.overdue else found
