"""Writes live changes into one build, hashed with the model of the build."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from elasticsearch import Elasticsearch
from elasticsearch import NotFoundError as Missing

from lsh_core.builds.bulk_lines import BulkLineEncoder, delete_line
from lsh_core.builds.field_types import field_paths
from lsh_core.builds.mapping import META_KEY, BuildMeta, VectorField
from lsh_core.elastic.bulk_answers import Verdict, judge_item
from lsh_core.elastic.bulk_requests import post_bulk, requests
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.missing_privileges import SECURITY, access_error
from lsh_core.errors import LoadError, NotFoundError
from lsh_core.live.journal import Entry
from lsh_core.models.contract import LSHModel
from lsh_core.models.store import read_model
from lsh_core.sources.row_ipc import unpack_groups
from lsh_core.sources.validation import validate_rows

ID_COLUMN, VECTOR_COLUMN = "airlsh.id", "airlsh.vector"
"""Columns of a row in the journal; users' columns cannot have such names."""

_WAIT_SECONDS = 60.0
_AWAY = frozenset({"index_not_found_exception", "invalid_index_name_exception"})
_RETRYABLE = frozenset({Verdict.RETRY, Verdict.NO_PRIMARY, Verdict.BLOCKED})


@dataclass(frozen=True)
class WritableBuild:
    """Build into which changes are written."""

    index: str
    meta: BuildMeta
    fields: dict[str, Mapping[str, Any]]
    model: LSHModel

    @property
    def field(self) -> VectorField:
        """Vector column of the build."""
        return self.meta.vectors[0]


@dataclass
class Outcome:
    """Outcome of one bulk request of changes.

    Attributes
    ----------
    refused
        Changes that the mapping of the build refuses, each with the reason.
    waiting
        Changes to send again, because their shard or the alias was missing.
    reason
        Reason of the last change in `waiting`.
    alias_missing
        Whether some changes wait because the write alias is missing.
    absent
        Keys of the changes whose document was not in the build before.
    """

    refused: list[tuple[Entry, str]] = field(default_factory=list)
    waiting: list[Entry] = field(default_factory=list)
    reason: str = ""
    alias_missing: bool = False
    absent: set[str] = field(default_factory=set)


def read_writable(cluster: Cluster, index: str) -> WritableBuild:
    """Read the metadata of `index` that changes need.

    An index of an older format gets the fields for live changes.

    Raises
    ------
    NotFoundError
        The index does not exist, or airlsh did not build it.
    """

    def read(client: Elasticsearch) -> dict[str, Any]:
        return dict(client.indices.get_mapping(index=index)[index]["mappings"])

    try:
        mapping = cluster.run(read)
    except Missing:
        raise NotFoundError("index", index) from None
    if META_KEY not in mapping.get("_meta", {}):
        raise NotFoundError("airlsh index", index, "its _meta does not say that airlsh built it")
    meta = BuildMeta.from_json(mapping["_meta"])
    properties = mapping["properties"]
    columns = {name: kind for name, kind in properties.items() if name != META_KEY}
    vectors = {vector.column for vector in meta.vectors}
    fields = {path: kind for path, kind in field_paths(columns).items() if path not in vectors}
    return WritableBuild(index, meta, fields, read_model(cluster, meta.name, meta.vectors[0].model_id))


class ChangeWriter:
    """Writes changes into one build through an alias.

    The version of each write follows from the position of the change.
    """

    def __init__(self, cluster: Cluster, build: WritableBuild, alias: str) -> None:
        self._cluster, self._build, self._alias = cluster, build, alias
        self._writer = BulkLineEncoder(build.field, build.fields)

    def write(self, entries: Sequence[Entry]) -> Outcome:
        """Send `entries` once.

        A change counts as done if the build already has a later change of the id.
        """
        outcome = Outcome()
        by_number = self._lines(entries, outcome)
        numbers = sorted(by_number)
        lines = [by_number[number] for number in numbers]
        for part in requests(lines):
            self._send([entries[number] for number in numbers[part]], lines[part], outcome)
        return outcome

    def _lines(self, entries: Sequence[Entry], outcome: Outcome) -> dict[int, bytes]:
        lines = {
            number: delete_line(entry.id, entry.effective_position)
            for number, entry in enumerate(entries)
            if entry.kind == "delete"
        }
        upserts = [number for number, entry in enumerate(entries) if entry.kind == "upsert"]
        for positions, table in unpack_groups([entries[number].row or b"" for number in upserts]):
            numbers = [upserts[position] for position in positions]
            lines |= self._upserts(numbers, [entries[number] for number in numbers], table, outcome)
        return lines

    def _upserts(
        self, numbers: Sequence[int], entries: Sequence[Entry], table: pa.Table, outcome: Outcome
    ) -> dict[int, bytes]:
        """Return the lines of rows of one schema; columns unknown to the build are omitted."""
        field = self._build.field
        valid = validate_rows(table, id=ID_COLUMN, vector=VECTOR_COLUMN, dims=field.dims, metric=field.metric)
        outcome.refused += [(entries[row.offset], row.reason) for row in valid.refused]
        offsets = valid.offsets.tolist()
        if not offsets:
            return {}
        kept = [name for name in table.column_names if name in self._build.fields]
        others = table.take(pa.array(offsets, pa.int64())).select(kept)
        codes = field.strategy.encode(self._build.model, np.ascontiguousarray(valid.vectors))
        lines = self._writer.live_rows(
            valid.ids,
            valid.vectors,
            codes.tokens,
            codes.near,
            positions=[entries[offset].effective_position for offset in offsets],
            partitions=[entries[offset].partition for offset in offsets],
            others=others,
        )
        return {numbers[offset]: line for offset, line in zip(offsets, lines, strict=True)}

    def _send(self, entries: Sequence[Entry], lines: Sequence[bytes], outcome: Outcome) -> None:
        body = b"".join(lines)
        answer = self._cluster.waiting(_WAIT_SECONDS).run(lambda client: post_bulk(client, self._alias, body))
        for entry, item in zip(entries, answer.body["items"], strict=True):
            self._judge(entry, next(iter(item.values())), outcome)

    def _judge(self, entry: Entry, item: dict[str, Any], outcome: Outcome) -> None:
        error = item.get("error") or {}
        if error.get("type") in _AWAY:
            outcome.reason, outcome.alias_missing = str(error.get("reason")), True
            outcome.waiting.append(entry)
            return
        # A delete of a missing document: done, and the server remembers the version.
        if not error and item["status"] == 404:
            outcome.absent.add(entry.key)
            return
        if item["status"] == 201:
            outcome.absent.add(entry.key)
        judged = judge_item(item)
        if judged.verdict in _RETRYABLE:
            outcome.waiting.append(entry)
            outcome.reason = f"{judged.error}: {judged.reason}"
        elif judged.verdict is Verdict.REFUSED:
            outcome.refused.append((entry, judged.reason))
        elif judged.error == SECURITY:
            raise access_error(item["status"], judged.reason)
        elif judged.verdict is not Verdict.DONE:
            raise LoadError(self._build.index, f"change of {entry.id!r}", f"{judged.error}: {judged.reason}")
