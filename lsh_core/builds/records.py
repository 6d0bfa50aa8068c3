"""The record of every build: settings, plan, what each stage found, and its end."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lsh_core.elastic.bulk_requests import SERVER_TIMEOUT
from lsh_core.elastic.cluster import on_any_node, search
from lsh_core.elastic.connection import Connection
from lsh_core.elastic.system_indices import RUNS, ensure_system_index
from lsh_core.elastic.text_values import is_document_id
from lsh_core.errors import NotFoundError

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

PLANNED, LOADING, LOADED, VERIFIED, FAILED = "planned", "loading", "loaded", "verified", "failed"
CORRECTED = "corrected"
"""A build that was verified, and into which rows were loaded since: whether it is right is to be seen again."""

_MOST_LISTED = 1000


class BuildRecords:
    """Run records in ``airlsh-runs``, one document a build."""

    def __init__(self, client: Elasticsearch) -> None:
        self._client = client
        ensure_system_index(client, RUNS)

    def start(self, name: str, build: str, document: Mapping[str, Any]) -> None:
        """Record a build when its run starts; a retry of the same run keeps the first start."""
        self._client.update(
            index=RUNS,
            id=build,
            doc={"updated_at": now(), **document},
            upsert={"name": name, "build": build, "started_at": now(), "updated_at": now(), **document},
            retry_on_conflict=5,
        )

    def update(self, build: str, **fields: Any) -> None:
        """Merge `fields` into the record of `build`; fields of nested objects are merged one by one."""
        self._client.update(index=RUNS, id=build, doc={"updated_at": now(), **fields}, retry_on_conflict=5)

    def replace(self, build: str, **fields: Any) -> None:
        """Put `fields` in the place of those of their names, nested objects as a whole."""
        from elasticsearch import ConflictError

        while True:
            found = self._client.get(index=RUNS, id=build)
            whole = {**found["_source"], "updated_at": now(), **fields}
            place = {"if_seq_no": found["_seq_no"], "if_primary_term": found["_primary_term"]}
            with suppress(ConflictError):  # Another wrote it meanwhile.
                self._client.index(index=RUNS, id=build, document=whole, **place)
                return

    def advance(self, name: str, build: str, state: str) -> None:
        """Record the state that a run has brought a build to; a repeated run takes nothing from one that was verified.

        Its contents were found right, and they are still the same: only what changes them, and what finds them wrong,
        writes another state.
        """
        if not was_verified(self.get(name, build)):
            self.update(build, state=state)

    def stage(self, build: str, stage: str, facts: Mapping[str, Any]) -> None:
        """Record what one stage found; an earlier failure, which a retry has mended, is forgotten."""
        self.update(build, stages={stage: dict(facts)}, error=None)

    def find(self, name: str, build: str, *, as_acknowledged: bool = False) -> dict[str, Any] | None:
        """Return the record of `build`, or None if `name` has no such build.

        Parameters
        ----------
        as_acknowledged
            Whether to read it by a write: a node that was cut off and is back may give an old state of it, but it
            cannot acknowledge a write.
        """
        from elasticsearch import NotFoundError as Missing

        if not is_document_id(build):
            return None
        try:
            record = self._touched(build) if as_acknowledged else self._client.get(index=RUNS, id=build)["_source"]
        except Missing:
            return None
        return dict(record) if record.get("name") == name else None  # Moves and covers are kept here too.

    def get(self, name: str, build: str, *, as_acknowledged: bool = False) -> dict[str, Any]:
        """Return the record of `build`, as `find` does; raise `NotFoundError` if `name` has no such build."""
        record = self.find(name, build, as_acknowledged=as_acknowledged)
        if record is None:
            raise NotFoundError("build", build, f"`airlsh builds list {name}` shows those of {name}")
        return record

    def of(self, name: str | None) -> list[dict[str, Any]]:
        """Return the records of all builds of `name`, or of every name, newest first."""
        self._client.indices.refresh(index=RUNS)
        hits = search(
            self._client,
            RUNS,
            # Moves and covers are kept here too: only builds have a state.
            query={"term": {"name": name}} if name is not None else {"exists": {"field": "state"}},
            sort=[{"started_at": "desc"}],
            size=_MOST_LISTED,
            source_excludes=["plan"],
        )["hits"]["hits"]
        return [hit["_source"] for hit in hits]

    def latest(self, name: str) -> dict[str, Any]:
        """Return the record of the newest build of `name`; raise `NotFoundError` if there is none."""
        records = self.of(name)
        if not records:
            raise unknown_name(name)
        return records[0]

    def _touched(self, build: str) -> Mapping[str, Any]:
        answer = self._client.update(
            index=RUNS,
            id=build,
            doc={"updated_at": now()},
            detect_noop=False,
            source=True,
            retry_on_conflict=5,
            timeout=SERVER_TIMEOUT,
        )
        record: Mapping[str, Any] = answer["get"]["_source"]
        return record

    def forget(self, build: str) -> None:
        """Delete the record of a build that was retired."""
        self._client.delete(index=RUNS, id=build, refresh=True)


def unknown_name(name: str) -> NotFoundError:
    """Return the error for a name that has no build."""
    return NotFoundError("build of", name, "nothing was indexed under this name; `airlsh builds list` shows all builds")


def nothing_live(name: str) -> NotFoundError:
    """Return the error for a name under which no build is live."""
    return NotFoundError("live index", name, f"build one: airlsh index {name} --source ...")


def acknowledged_record(connection: Connection, name: str, build: str) -> dict[str, Any]:
    """Return the record of `build` as it was acknowledged last, whichever node answers."""
    return on_any_node(connection, lambda client: BuildRecords(client).get(name, build, as_acknowledged=True))


def was_verified(record: Mapping[str, Any] | None) -> bool:
    """Return whether a build, by its record, was found right once, and never wrong since."""
    return record is not None and record["state"] in (VERIFIED, CORRECTED)


def now() -> str:
    """Return the current time as it is stored: ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
