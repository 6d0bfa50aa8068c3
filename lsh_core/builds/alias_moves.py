"""Stores the alias moves that runs have begun.

A retry of a run finishes the same move.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from elasticsearch import NotFoundError

from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.system_indices import RUNS, ensure_system_index
from lsh_core.json_form import JsonForm


@dataclass(frozen=True)
class AliasMove(JsonForm):
    """Move of the alias `alias` to `build`, away from the index `previous_index` (None: there was no alias)."""

    alias: str
    build: str
    previous_index: str | None
    live: str | None = None

    @property
    def is_done(self) -> bool:
        """True once the alias was moved; `live` is its new index."""
        return self.live is not None


class AliasMoves:
    """Alias moves in ``airlsh-runs``, one document per index name and run.

    Their documents are not builds and carry no ``name``.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        ensure_system_index(cluster, RUNS)

    def find(self, name: str, id: str) -> AliasMove | None:
        """Return the alias move of `name` that the run `id` began, or None."""
        try:
            found = self._cluster.run(lambda client: client.get(index=RUNS, id=_document_id(name, id)))
        except NotFoundError:
            return None
        return AliasMove.from_json(found["_source"]["move"])

    def write(self, id: str, move: AliasMove) -> None:
        """Record the progress of the alias move that the run `id` began."""
        document = {"move": move.to_json()}
        self._cluster.run(lambda client: client.index(index=RUNS, id=_document_id(move.alias, id), document=document))


def _document_id(name: str, id: str) -> str:
    return f"move/{name}/{hashlib.sha256(id.encode()).hexdigest()}"
