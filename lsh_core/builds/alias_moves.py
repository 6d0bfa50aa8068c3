"""Alias moves that a run has begun, so that its retry finishes the same move."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lsh_core.elastic.system_indices import RUNS, ensure_system_index
from lsh_core.json_form import JsonForm

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch


@dataclass(frozen=True)
class AliasMove(JsonForm):
    """Move of the alias `alias` to `build`, away from the index `previous_index` (None: there was no alias)."""

    alias: str
    build: str
    previous_index: str | None
    live: str | None = None

    @property
    def is_done(self) -> bool:
        """Whether the alias was moved; `live` is where to."""
        return self.live is not None


class AliasMoves:
    """Moves in ``airlsh-runs``, one document for each name and identity; they are no builds, and have no ``name``."""

    def __init__(self, client: Elasticsearch) -> None:
        self._client = client
        ensure_system_index(client, RUNS)

    def find(self, name: str, identity: str) -> AliasMove | None:
        """Return the move of `name` that the run `identity` began, or None."""
        from elasticsearch import NotFoundError

        try:
            return AliasMove.from_json(self._client.get(index=RUNS, id=_document_id(name, identity))["_source"]["move"])
        except NotFoundError:
            return None

    def write(self, identity: str, move: AliasMove) -> None:
        """Record how far the move of the run `identity` is."""
        document = {"move": move.to_json()}
        self._client.index(index=RUNS, id=_document_id(move.alias, identity), document=document)


def _document_id(name: str, identity: str) -> str:
    return f"move/{name}/{hashlib.sha256(identity.encode()).hexdigest()}"
