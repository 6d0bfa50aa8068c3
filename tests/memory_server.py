"""As much of Elasticsearch as leases, gates and aliases ask of it, in memory and atomic call by call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from elastic_transport import ApiResponseMeta, HttpHeaders, NodeConfig


class MemoryServer:
    """Documents with ``_seq_no``, and aliases that change in one step or not at all.

    It is its own client, its own ``indices`` and ``cluster``, and a connection with one node.

    Attributes
    ----------
    between
        Called once before the next write: what somebody else does between our read and our write.
    """

    urls = ("http://memory:9200",)

    def __init__(self) -> None:
        self.documents: dict[tuple[str, str], tuple[dict[str, Any], int]] = {}
        self.aliases: dict[str, dict[str, dict[str, Any]]] = {}
        self._mappings: dict[str, dict[str, Any]] = {}
        self.between: Callable[[], None] | None = None
        self._seq_no = 0
        self.indices = self.cluster = self

    def client(self, node: int = 0) -> MemoryServer:
        """Return the client of any node."""
        return self

    def options(self, **_: Any) -> MemoryServer:
        """Take any options of a request."""
        return self

    def create(
        self, *, index: str, aliases: Sequence[str] = (), mappings: Mapping[str, Any] | None = None, **_: Any
    ) -> None:
        """Make an index."""
        if index in self.aliases:
            _refuse(400, "resource_already_exists_exception")
        self._mappings[index] = dict(mappings or {})
        self.aliases[index] = {alias: {} for alias in aliases}

    def get_mapping(self, *, index: str) -> dict[str, Any]:
        """Return the mapping that an index was made with."""
        if index not in self._mappings:
            _refuse(404, "index_not_found_exception")
        return {index: {"mappings": self._mappings[index]}}

    def exists(self, *, index: str) -> bool:
        """Whether there is such an index."""
        return index in self.aliases

    def get(self, *, index: str, id: str) -> dict[str, Any]:
        """Return a document in real time."""
        if (index, id) not in self.documents:
            _refuse(404, "not_found")
        source, seq_no = self.documents[index, id]
        return {"_source": dict(source), "_seq_no": seq_no, "_primary_term": 1}

    def index(
        self,
        *,
        index: str,
        id: str,
        document: Mapping[str, Any],
        op_type: str = "index",
        if_seq_no: int | None = None,
        if_primary_term: int | None = None,
        require_alias: bool = False,
    ) -> dict[str, Any]:
        """Write a document where the conditions hold."""
        self._somebody_else()
        behind = [each for each, aliases in self.aliases.items() if index in aliases]
        if require_alias and len(behind) != 1:
            _refuse(404, "index_not_found_exception")
        key = (behind[0] if behind else index, id)
        found = self.documents.get(key)
        stale = if_seq_no is not None and (found is None or (found[1], 1) != (if_seq_no, if_primary_term))
        if stale or (op_type == "create" and found is not None):
            _refuse(409, "version_conflict_engine_exception")
        self._seq_no += 1
        self.documents[key] = (dict(document), self._seq_no)
        return {"_seq_no": self._seq_no, "_primary_term": 1}

    def get_alias(self, *, index: str | None = None, name: str | None = None) -> dict[str, Any]:
        """Return the aliases of an index, or the indices of an alias."""
        found = {
            each: {"aliases": dict(aliases)}
            for each, aliases in self.aliases.items()
            if index in (None, each) and (name is None or name in aliases)
        }
        if not found:
            _refuse(404, "aliases_not_found_exception")
        return found

    def update_aliases(self, *, actions: Sequence[Mapping[str, Mapping[str, Any]]], **_: Any) -> dict[str, Any]:
        """Do all `actions`, or none."""
        self._somebody_else()
        after = {index: dict(aliases) for index, aliases in self.aliases.items()}
        for action in actions:
            (verb, what), *_rest = action.items()
            index, alias = what["index"], what["alias"]
            if verb == "add":
                after[index][alias] = {key: what[key] for key in ("is_hidden", "is_write_index") if key in what}
            elif alias in after[index]:
                del after[index][alias]
            elif what.get("must_exist"):
                _refuse(404, "aliases_not_found_exception")
        for alias in {alias for aliases in after.values() for alias in aliases}:
            if sum(bool(aliases.get(alias, {}).get("is_write_index")) for aliases in after.values()) > 1:
                _refuse(400, "illegal_state_exception")
        self.aliases = after
        return {"acknowledged": True, "errors": False}

    def health(self, **_: Any) -> dict[str, Any]:
        """Every index is green."""
        return {"status": "green", "timed_out": False}

    def search(self, **_: Any) -> dict[str, Any]:
        """Every shard answers."""
        return {"_shards": {"successful": 1, "total": 1, "failed": 0}}

    def _somebody_else(self) -> None:
        act, self.between = self.between, None
        if act is not None:
            act()


def _refuse(status: int, error: str) -> NoReturn:
    from elasticsearch import BadRequestError, ConflictError, NotFoundError

    kind = {400: BadRequestError, 404: NotFoundError, 409: ConflictError}[status]
    meta = ApiResponseMeta(status, "1.1", HttpHeaders(), 0.0, NodeConfig("http", "memory", 9200))
    raise kind(error, meta, {"error": {"type": error}, "status": status})
