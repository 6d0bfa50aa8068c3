"""As much of Elasticsearch as airlsh's own state, the journal and live changes ask of it, atomic call by call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import parse_qs, urlsplit

import orjson
from elastic_transport import ApiResponseMeta, HttpHeaders, NodeConfig

from tests.fakes.memory_search import doc_values, matches, ordered, sort_values

_SHARDS = {"successful": 1, "total": 1, "failed": 0}


class Answer(dict[str, Any]):
    """An answer, whose body can also be asked for, as the client's."""

    @property
    def body(self) -> dict[str, Any]:
        """The answer itself."""
        return self


@dataclass(frozen=True)
class Stored:
    """A document, or (without `source`) what is remembered of one that was deleted."""

    source: dict[str, Any] | None
    seq_no: int
    version: int


class MemoryServer:
    """Documents with ``_seq_no`` and version, and aliases that change in one step or not at all.

    It is its own client, its own ``indices`` and ``cluster``, and a connection with one node.

    Attributes
    ----------
    between
        Called once before the next write: what somebody else does between our read and our write.
    lagging
        Whether a node lags behind, and acknowledges no change of aliases. What changes nothing is acknowledged.
    """

    urls = ("http://memory:9200",)
    request_timeout_seconds = 60.0

    def __init__(self) -> None:
        self.documents: dict[tuple[str, str], Stored] = {}
        self.aliases: dict[str, dict[str, dict[str, Any]]] = {}
        self._mappings: dict[str, dict[str, Any]] = {}
        self.between: Callable[[], None] | None = None
        self.lagging = False
        self._views: dict[str, dict[tuple[str, str], Stored]] = {}
        self._opened = 0
        self._last_seq_no: dict[str, int] = {}
        self.indices = self.cluster = self

    def client(self, node: int = 0) -> MemoryServer:
        """Return the client of any node."""
        return self

    def options(self, **_: Any) -> MemoryServer:
        """Take any options of a request."""
        return self

    # Indices and their aliases.

    def create(
        self, *, index: str, aliases: Iterable[str] = (), mappings: Mapping[str, Any] | None = None, **_: Any
    ) -> None:
        """Make an index."""
        if index in self.aliases:
            refuse(400, "resource_already_exists_exception")
        self._mappings[index] = dict(mappings or {})
        self.aliases[index] = {alias: {} for alias in aliases}

    def get_index_template(self, **_: Any) -> Answer:
        """There is no index template."""
        return Answer({"index_templates": []})

    def get_template(self, **_: Any) -> Answer:
        """There is no legacy index template either."""
        return Answer({})

    def get_mapping(self, *, index: str) -> Answer:
        """Return the mapping that an index was made with."""
        self._require(index)
        return Answer({index: {"mappings": self._mappings[index]}})

    def get_settings(self, *, index: str, **_: Any) -> Answer:
        """Every index has one shard."""
        self._require(index)
        return Answer({index: {"settings": {"index.number_of_shards": "1"}}})

    def refresh(self, *, index: str) -> Answer:
        """Do nothing: all is seen at once."""
        self._require(index)
        return Answer({"_shards": _SHARDS})

    def stats(self, *, index: str, **_: Any) -> Answer:
        """Return the place that the one primary has reached."""
        self._require(index)
        last = self._last_seq_no.get(index, -1)
        shard = {"routing": {"primary": True}, "seq_no": {"max_seq_no": last, "global_checkpoint": last}}
        return Answer({"indices": {index: {"shards": {"0": [shard]}}}})

    def exists(self, *, index: str, id: str | None = None) -> bool:
        """Whether there is such an index, or such a document."""
        return index in self.aliases if id is None else self._found(index, id) is not None

    def delete(self, *, index: str, id: str | None = None, **_: Any) -> Answer:
        """Delete an index, or a document."""
        self._somebody_else()
        self._require(index)
        if id is not None:
            if self._found(index, id) is None:
                refuse(404, "not_found")
            self._write(index, id, None)
            return Answer({"result": "deleted"})
        del self.aliases[index], self._mappings[index]
        self.documents = {key: stored for key, stored in self.documents.items() if key[0] != index}
        return Answer({"acknowledged": True})

    def get_alias(self, *, index: str | None = None, name: str | None = None) -> Answer:
        """Return the aliases of an index, or the indices of an alias."""
        found = {
            each: {"aliases": dict(aliases)}
            for each, aliases in self.aliases.items()
            if index in (None, each) and (name is None or name in aliases)
        }
        if not found:
            refuse(404, "aliases_not_found_exception")
        return Answer(found)

    def update_aliases(self, *, actions: Sequence[Mapping[str, Mapping[str, Any]]], **_: Any) -> Answer:
        """Do all `actions`, or none."""
        self._somebody_else()
        after = {index: dict(aliases) for index, aliases in self.aliases.items()}
        for action in actions:
            (verb, what), *_rest = action.items()
            index, alias = what["index"], what["alias"]
            self._require(index)
            if verb == "add":
                after[index][alias] = {key: what[key] for key in ("is_hidden", "is_write_index") if key in what}
            elif alias in after[index]:
                del after[index][alias]
            elif what.get("must_exist"):
                refuse(404, "aliases_not_found_exception")
        for alias in {alias for aliases in after.values() for alias in aliases}:
            if sum(bool(aliases.get(alias, {}).get("is_write_index")) for aliases in after.values()) > 1:
                refuse(400, "illegal_state_exception")
        changed, self.aliases = after != self.aliases, after
        return Answer({"acknowledged": not (changed and self.lagging), "errors": False})

    def health(self, **_: Any) -> Answer:
        """Every index is green."""
        return Answer({"status": "green", "timed_out": False})

    # Documents.

    def get(self, *, index: str, id: str) -> Answer:
        """Return a document in real time."""
        stored = self._found(index, id)
        if stored is None:
            refuse(404, "not_found")
        return Answer({"found": True, "_source": dict(stored.source or {}), **_places(stored)})

    def mget(self, *, index: str, ids: Sequence[str], **_: Any) -> Answer:
        """Return documents in real time, without their sources."""
        self._require(index)
        found = [self._found(index, id) for id in ids]
        return Answer(
            {
                "docs": [
                    {"_id": id, "found": stored is not None, **(_places(stored) if stored else {})}
                    for id, stored in zip(ids, found, strict=True)
                ]
            }
        )

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
        version: int | None = None,
        **_: Any,
    ) -> Answer:
        """Write a document where the conditions hold; a version is taken as ``external_gte``."""
        self._somebody_else()
        target = self._target(index, require_alias=require_alias)
        found = self._found(target, id)
        stale = if_seq_no is not None and (found is None or (found.seq_no, 1) != (if_seq_no, if_primary_term))
        stale = stale or (version is not None and found is not None and found.version > version)
        if stale or (op_type == "create" and found is not None):
            refuse(409, "version_conflict_engine_exception")
        return Answer(_places(self._write(target, id, dict(document), version)))

    def update(
        self,
        *,
        index: str,
        id: str,
        doc: Mapping[str, Any],
        if_seq_no: int | None = None,
        if_primary_term: int | None = None,
        **_: Any,
    ) -> Answer:
        """Merge `doc` into a document where the condition holds."""
        self._somebody_else()
        found = self._found(index, id)
        if found is None:
            refuse(404, "document_missing_exception")
        if if_seq_no is not None and (found.seq_no, 1) != (if_seq_no, if_primary_term):
            refuse(409, "version_conflict_engine_exception")
        merged = _merged(found.source or {}, doc)
        return Answer({**_places(self._write(index, id, merged)), "get": {"_source": dict(merged)}})

    def bulk(self, *, index: str, operations: Sequence[Mapping[str, Any]], **_: Any) -> Answer:
        """Do each operation by itself."""
        lines = iter(operations)
        items = list(self._bulk(index, lines, require_alias=False))
        return Answer({"items": items, "errors": any("error" in item for each in items for item in each.values())})

    def perform_request(self, method: str, path: str, *, body: bytes = b"", **_: Any) -> Answer:
        """Answer a ping, or a bulk request as it is on the wire."""
        if method == "GET":
            return Answer({"status": "green"})
        target, action = urlsplit(path).path.strip("/").split("/")
        if (method, action) != ("POST", "_bulk"):
            raise NotImplementedError(f"{method} {path}")
        self._somebody_else()
        required = parse_qs(urlsplit(path).query).get("require_alias") == ["true"]
        lines = map(orjson.loads, body.splitlines())
        return Answer({"items": list(self._bulk(target, lines, require_alias=required))})

    def open_point_in_time(self, *, index: str, **_: Any) -> Answer:
        """Keep all documents as they are now."""
        self._opened += 1
        view = f"{self._target(index)} {self._opened}"
        self._views[view] = dict(self.documents)
        return Answer({"id": view})

    def close_point_in_time(self, *, id: str) -> Answer:
        """Forget what was kept."""
        self._views.pop(id, None)
        return Answer({"succeeded": True})

    def search(
        self,
        *,
        index: str | None = None,
        pit: Mapping[str, str] | None = None,
        query: Mapping[str, Any] | None = None,
        sort: Sequence[Any] = (),
        size: int = 10,
        search_after: Sequence[Any] | None = None,
        docvalue_fields: Sequence[Any] = (),
        source: bool = True,
        slice: Mapping[str, int] | None = None,
        **_: Any,
    ) -> Answer:
        """Return what matches, as it is at this moment, or was at a point in time; or a slice of it."""
        if pit is not None and pit["id"] not in self._views:
            refuse(404, "search_phase_execution_exception")
        documents = self.documents if pit is None else self._views[pit["id"]]
        target = pit["id"].split()[0] if pit is not None else self._target(str(index))
        live = ((id, each) for (at, id), each in documents.items() if at == target)
        found = [(id, each.source, each.seq_no) for id, each in live if each.source is not None]
        if slice is not None:
            found = [hit for hit in found if hit[2] % slice["max"] == slice["id"]]
        hits = ordered([hit for hit in found if matches(query, hit[1], hit[2])], sort or ("_seq_no",))
        places = [sort_values(hit, sort) for hit in hits]
        first = 0 if search_after is None else places.index(list(search_after)) + 1
        return Answer(
            {
                "_shards": _SHARDS,
                **({} if pit is None else {"pit_id": pit["id"]}),
                "hits": {
                    "hits": [
                        {
                            "_id": id,
                            "_seq_no": seq_no,
                            "_primary_term": 1,
                            "sort": place,
                            **({"_source": dict(document)} if source else {}),
                            **({"fields": doc_values(document, docvalue_fields, seq_no)} if docvalue_fields else {}),
                        }
                        for (id, document, seq_no), place in list(zip(hits, places, strict=True))[first:][:size]
                    ]
                },
            }
        )

    def forget_deletes(self) -> None:
        """Remember no deleted document any more, nor the version of its delete."""
        self.documents = {key: stored for key, stored in self.documents.items() if stored.source is not None}

    def _bulk(self, target: str, lines: Any, *, require_alias: bool) -> Iterable[dict[str, Any]]:
        for line in lines:
            ((verb, meta),) = line.items()
            document = None if verb == "delete" else next(lines)
            try:
                index = self._target(target, require_alias=require_alias and verb != "delete", made=True)
                status, stored = self._operate(index, verb, meta, document)
            except Exception as error:
                kind = str(getattr(error, "error", error))
                yield {verb: {"_id": meta["_id"], "status": _STATUS.get(kind, 500), "error": {"type": kind}}}
            else:
                yield {verb: {"_index": index, "_id": meta["_id"], "status": status, **_places(stored)}}

    def _operate(
        self, index: str, verb: str, meta: Mapping[str, Any], document: dict[str, Any] | None
    ) -> tuple[int, Stored]:
        there, before = self._found(index, meta["_id"]), self.documents.get((index, meta["_id"]))
        version = meta.get("version")
        later = version is not None and before is not None and before.version > version
        if later or (verb == "create" and there is not None):
            refuse(409, "version_conflict_engine_exception")
        stored = self._write(index, meta["_id"], document, version)
        if verb == "delete":
            return (200 if there is not None else 404), stored
        return (200 if there is not None else 201), stored

    def _target(self, name: str, *, require_alias: bool = False, made: bool = False) -> str:
        """Return the index that a request to `name` goes to; a bulk request makes one that is not there."""
        behind = [index for index, aliases in self.aliases.items() if name in aliases]
        if len(behind) > 1:
            behind = [index for index in behind if self.aliases[index][name].get("is_write_index")]
        if len(behind) == 1:
            return behind[0]
        if require_alias or (name not in self.aliases and not made):
            refuse(404, "index_not_found_exception")
        if name not in self.aliases:
            if name != name.lower():
                refuse(400, "invalid_index_name_exception")
            self.create(index=name)
        return name

    def _found(self, index: str, id: str) -> Stored | None:
        stored = self.documents.get((index, id))
        return None if stored is None or stored.source is None else stored

    def _write(self, index: str, id: str, source: dict[str, Any] | None, version: int | None = None) -> Stored:
        before = self.documents.get((index, id))
        seq_no = self._last_seq_no[index] = self._last_seq_no.get(index, -1) + 1
        following = before.version + 1 if before else 1
        stored = self.documents[index, id] = Stored(source, seq_no, following if version is None else version)
        return stored

    def _require(self, index: str) -> None:
        if index not in self.aliases:
            refuse(404, "index_not_found_exception")

    def _somebody_else(self) -> None:
        act, self.between = self.between, None
        if act is not None:
            act()


_STATUS = {
    "version_conflict_engine_exception": 409,
    "index_not_found_exception": 404,
    "invalid_index_name_exception": 400,
    "document_parsing_exception": 400,
    "index_closed_exception": 400,
    "es_rejected_execution_exception": 429,
}


def _places(stored: Stored) -> dict[str, int]:
    return {"_seq_no": stored.seq_no, "_primary_term": 1, "_version": stored.version}


def _merged(before: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(before)
    for name, value in more.items():
        nested = isinstance(value, Mapping) and isinstance(merged.get(name), Mapping)
        merged[name] = _merged(merged[name], value) if nested else value
    return merged


def refuse(status: int, error: str) -> NoReturn:
    """Raise what the client raises for an answer that is an error."""
    from elasticsearch import ApiError, BadRequestError, ConflictError, NotFoundError

    kind = {400: BadRequestError, 404: NotFoundError, 409: ConflictError}.get(status, ApiError)
    meta = ApiResponseMeta(status, "1.1", HttpHeaders(), 0.0, NodeConfig("http", "memory", 9200))
    raise kind(error, meta, {"error": {"type": error}, "status": status})
