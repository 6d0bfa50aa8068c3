"""Write fence for partition refreshes.

Journal appends go through an alias named after the lease's epoch; a refresh that lost its lease finds the alias gone.
The alias is added before the partition's state is written by compare-and-swap. So a refresh that adds its alias too
late is refused at that write.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.system_indices import CHANGES


@contextmanager
def fenced_journal_alias(cluster: Cluster, digest: str, epoch: int) -> Iterator[str]:
    """Add the alias of `epoch` and remove all others; yield the alias for appends.

    Parameters
    ----------
    digest
        Hash of index name and partition, used in the alias.
    """
    alias = _alias(digest, epoch)
    _open(cluster, digest, alias)
    try:
        yield alias
    finally:
        drop = {"remove": {"index": CHANGES, "alias": alias, "must_exist": False}}
        cluster.run(lambda client: client.options(ignore_status=404).indices.update_aliases(actions=[drop]))


def _open(cluster: Cluster, digest: str, alias: str) -> None:
    found = cluster.run(lambda client: client.options(ignore_status=404).indices.get_alias(name=_alias(digest, "*")))
    others = set(found.body.get(CHANGES, {}).get("aliases", {})) - {alias}
    actions: list[dict[str, Any]] = [
        {"remove": {"index": CHANGES, "alias": other, "must_exist": False}} for other in sorted(others)
    ]
    cluster.run(
        lambda client: client.indices.update_aliases(
            actions=[*actions, {"add": {"index": CHANGES, "alias": alias, "is_hidden": True}}]
        )
    )


def _alias(digest: str, epoch: int | str) -> str:
    return f"airlsh-PARTITION-{digest}-{epoch}"
