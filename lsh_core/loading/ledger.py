"""Ledger: the record of finished chunks.

An entry is written after the last row of its chunk is acknowledged, never before. It is read by ``_mget``, which is
real time, never by search. Its key holds everything that defines the chunk, so a changed file, model or setting finds
no entry.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt
import orjson
from elasticsearch import NotFoundError

from lsh_core.builds.names import ledger_alias
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.liveness import MAX_SECONDS
from lsh_core.elastic.paging import pages
from lsh_core.elastic.system_indices import LEDGER
from lsh_core.errors import LoadError
from lsh_core.loading.node_stats import NodeStats
from lsh_core.sources.source_file import Chunk, SourceFile

_ROWS_PER_PAGE = 500_000  # An entry holds about 22 bytes per row.
_ENTRIES_PER_PAGE = 50  # An entry holds up to some hundred bytes per query.


def _no_rows() -> npt.NDArray[np.int64]:
    return np.empty(0, np.int64)


@dataclass(frozen=True)
class LedgerKey:
    """Part of the key that all ledger entries of one build share."""

    build: str
    index_uuid: str
    model_fingerprint: str
    settings_fingerprint: str

    def of(self, file: SourceFile, chunk: Chunk) -> str:
        """Return the document id of the entry for `chunk` of `file`."""
        parts = [
            self.index_uuid,
            file.url,
            file.size,
            file.version,
            chunk.number,
            chunk.start,
            chunk.stop,
            chunk.first_row_number,
            self.model_fingerprint,
            self.settings_fingerprint,
        ]
        return hashlib.sha256(orjson.dumps(parts)).hexdigest()


class RowSample(TypedDict):
    """Row of a chunk as its ledger entry stores it; `vector` is a text of `packed_vector`."""

    id: str
    row_number: int
    vector: str


@dataclass(frozen=True)
class LedgerEntry:
    """Outcome of one chunk.

    Attributes
    ----------
    offsets
        Offsets in the chunk of the accepted rows, (m,) int64.
    id_hashes
        128-bit hashes of their ids, (m, 2) uint64, in the same order. They suffice to find the winning row of a
        repeated id over all chunks, without the ids.
    samples
        A few rows, which verification reads back.
    nodes
        Load statistics of the chunk by node.
    rows_beyond_norm
        Rows beyond the trained norm, under metrics that have one.
    queries
        Fingerprint of the queries that the rows were compared with; empty: with none.
    near_rows
        Stored form of the rows near the queries, `lsh_core.exact.near_rows.NearRows`. Rows that the server refused may
        be among them.
    corrected
        Offsets of the rows that were corrected after the load, (c,) int64; they were compared with no query.
    """

    chunk: int
    source: str
    start: int
    stop: int
    first_row_number: int
    node: str
    dead_lettered: int
    offsets: npt.NDArray[np.int64]
    id_hashes: npt.NDArray[np.uint64]
    samples: tuple[RowSample, ...] = ()
    nodes: Mapping[str, NodeStats] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    rows_beyond_norm: int = 0
    queries: str = ""
    near_rows: bytes | None = None
    corrected: npt.NDArray[np.int64] = field(default_factory=_no_rows)

    @property
    def rows_read(self) -> int:
        """Number of rows of the chunk."""
        return self.stop - self.start

    def to_document(self, build: str, index_uuid: str) -> dict[str, Any]:
        """Return the stored form of the entry."""
        mask = np.zeros(self.rows_read, dtype=np.bool_)
        mask[self.offsets] = True
        return {
            "build": build,
            "index_uuid": index_uuid,
            "chunk": self.chunk,
            "source": self.source,
            "start": self.start,
            "stop": self.stop,
            "first_row_number": self.first_row_number,
            "node": self.node,
            "rows_read": self.rows_read,
            "valid": len(self.offsets),
            "dead_lettered": self.dead_lettered,
            "rows_beyond_norm": self.rows_beyond_norm,
            "row_mask": base64.b64encode(np.packbits(mask).tobytes()).decode("ascii"),
            "id_hashes": base64.b64encode(self.id_hashes.astype("<u8").tobytes()).decode("ascii"),
            "samples": list(self.samples),
            "nodes": [{"node": node, **stats.to_document()} for node, stats in self.nodes.items()],
            "seconds": dict(self.seconds),
            "queries": self.queries,
            "near_rows": None if self.near_rows is None else base64.b64encode(self.near_rows).decode("ascii"),
            "corrected": base64.b64encode(self.corrected.astype("<u4").tobytes()).decode("ascii"),
            "finished_at": datetime.now(UTC).isoformat(),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> LedgerEntry:
        """Read the stored form that `to_document` wrote."""
        rows = document["stop"] - document["start"]
        packed = np.frombuffer(base64.b64decode(document["row_mask"]), dtype=np.uint8)
        hashes = np.frombuffer(base64.b64decode(document["id_hashes"]), dtype="<u8").astype(np.uint64)
        return cls(
            chunk=document["chunk"],
            source=document["source"],
            start=document["start"],
            stop=document["stop"],
            first_row_number=document["first_row_number"],
            node=document["node"],
            dead_lettered=document["dead_lettered"],
            offsets=np.flatnonzero(np.unpackbits(packed, count=rows)),
            id_hashes=hashes.reshape(-1, 2),
            samples=tuple(document["samples"]),
            nodes={stats["node"]: NodeStats.from_document(stats) for stats in document["nodes"]},
            seconds=document["seconds"],
            rows_beyond_norm=document.get("rows_beyond_norm", 0),  # Entries of earlier versions lack some fields.
            queries=document.get("queries", ""),
            near_rows=base64.b64decode(near) if (near := document.get("near_rows")) else None,
            corrected=np.frombuffer(base64.b64decode(document.get("corrected", "")), "<u4").astype(np.int64),
        )


def packed_vector(vector: npt.NDArray[np.float32]) -> str:
    """Return a vector, (d,) float32, as text for a sample."""
    return base64.b64encode(vector.astype("<f4").tobytes()).decode("ascii")


def unpacked_vector(text: str) -> npt.NDArray[np.float32]:
    """Return the vector, (d,) float32, that `packed_vector` packed."""
    return np.frombuffer(base64.b64decode(text), dtype="<f4").astype(np.float32)


class Ledger:
    """Entries of one build in ``airlsh-ledger``."""

    def __init__(self, cluster: Cluster, key: LedgerKey) -> None:
        self._cluster, self._key = cluster, key

    def write(self, file: SourceFile, entry: LedgerEntry, chunk: Chunk, *, epoch: int, first: int = 0) -> None:
        """Write the entry of a chunk with the epoch of the loader.

        Every row of the chunk must be acknowledged.

        Parameters
        ----------
        first
            Node to use first.

        Raises
        ------
        LoadError
            The write fence is no longer open for `epoch`.
        """
        document = entry.to_document(self._key.build, self._key.index_uuid)
        try:
            self._cluster.run(
                lambda client: client.index(
                    index=ledger_alias(self._key.build, epoch),
                    id=self._key.of(file, chunk),
                    document=document,
                    require_alias=True,
                    timeout="20s",
                ),
                first=first,
                longest_seconds=MAX_SECONDS,
            )
        except NotFoundError as error:
            reason = f"the write fence of build {self._key.build} is closed for epoch {epoch}: another run took over"
            raise LoadError(LEDGER, f"entry of chunk {chunk.number}", reason) from error

    def done(self, files: Sequence[SourceFile] | Mapping[int, SourceFile], chunks: Sequence[Chunk]) -> set[int]:
        """Return the numbers of those `chunks` that have an entry.

        `files` maps file numbers to files.
        """
        found = set()
        for page in pages(chunks, 1000):
            answer = self._get([self._key.of(files[chunk.file], chunk) for chunk in page], source=False)
            found |= {chunk.number for chunk, each in zip(page, answer, strict=True) if each.get("found")}
        return found

    def entries(self, files: Sequence[SourceFile], chunks: Sequence[Chunk]) -> Iterator[LedgerEntry | None]:
        """Yield the entry of each chunk, in order; None for a missing entry."""
        most = max((chunk.rows for chunk in chunks), default=1)
        for page in pages(chunks, min(_ENTRIES_PER_PAGE, max(1, _ROWS_PER_PAGE // most))):
            ids = [self._key.of(files[chunk.file], chunk) for chunk in page]
            for each in self._get(ids):
                yield LedgerEntry.from_document(each["_source"]) if each.get("found") else None

    def _get(self, ids: Sequence[str], *, source: bool = True) -> list[dict[str, Any]]:
        answer = self._cluster.run(
            lambda client: client.mget(index=LEDGER, ids=list(ids), source=source), longest_seconds=MAX_SECONDS
        )
        documents: list[dict[str, Any]] = answer["docs"]
        return documents


def ledger_totals(cluster: Cluster, build: str) -> tuple[int, int]:
    """Return the rows of all finished chunks of `build`, and how many were refused."""
    cluster.run(lambda client: client.indices.refresh(index=LEDGER))
    sums = {field: {"sum": {"field": field}} for field in ("rows_read", "dead_lettered")}
    found = cluster.search(LEDGER, query={"term": {"build": build}}, size=0, aggs=sums)["aggregations"]
    return round(found["rows_read"]["value"]), round(found["dead_lettered"]["value"])


def last_entry_at(cluster: Cluster, build: str) -> datetime | None:
    """Return the time of the last entry of `build`, or None without entries."""
    cluster.run(lambda client: client.indices.refresh(index=LEDGER))
    newest = cluster.search(
        LEDGER,
        query={"term": {"build": build}},
        sort=[{"finished_at": "desc"}],
        size=1,
        source_includes=["finished_at"],
    )["hits"]["hits"]
    return datetime.fromisoformat(newest[0]["_source"]["finished_at"]) if newest else None
