"""State of partitions between two refreshes: ``airlsh-partitions``, one document per partition."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from elasticsearch import ConflictError, NotFoundError

from lsh_core.builds.journal_position import JournalPosition
from lsh_core.builds.records import now
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.paging import pages
from lsh_core.elastic.system_indices import PARTITIONS, ensure_system_index
from lsh_core.errors import LeaseLostError

_PARTITIONS_PER_PAGE = 500


@dataclass(frozen=True)
class PartitionState:
    """Last refresh of a partition.

    Attributes
    ----------
    fingerprint
        Fingerprint of the files that the refresh reads.
    generation
        Number of the refresh, from 1.
    begin
        Position of the first mark of the refresh in the journal. Everything written later is newer than the refresh.
        None before the mark is written.
    done
        Whether the refresh has ended.
    rows
        Rows that the refresh read.
    """

    name: str
    partition: str
    fingerprint: str
    generation: int
    begin: JournalPosition | None = None
    done: bool = False
    rows: int = 0

    def key(self, *what: object) -> str:
        """Return the journal key of a change of this refresh.

        A repeated refresh gives the same key.
        """
        parts = (self.name, self.partition, self.generation, *what)
        return hashlib.sha256("\x00".join(map(str, parts)).encode()).hexdigest()[:40]


class PartitionStore:
    """State of one partition; reads are real time, writes are compare-and-swap.

    Only the holder of the partition's lease may use it.

    Attributes
    ----------
    digest
        Hash of index name and partition, for identifiers that must not contain either.
    last
        State that was last read or written.
    """

    def __init__(self, cluster: Cluster, name: str, partition: str, *, epoch: int) -> None:
        self._cluster, self._name, self._partition, self._epoch = cluster, name, partition, epoch
        self.digest = hashlib.sha256(f"{name}\x00{partition}".encode()).hexdigest()[:40]
        ensure_system_index(cluster, PARTITIONS)
        self._condition: dict[str, Any] = {}
        self.last = self._read()

    def begin(self, fingerprint: str) -> PartitionState:
        """Write the state of the refresh to run: an unfinished one is resumed.

        It is resumed if it read the same files; otherwise a new refresh begins. The caller uses this only if no refresh
        of the same files is done, or if it is to be repeated.

        Raises
        ------
        LeaseLostError
            Another run refreshes this partition.
        """
        if self.last is not None and self.last.fingerprint == fingerprint and not self.last.done:
            return self.write(self.last)
        generation = 1 if self.last is None else self.last.generation + 1
        return self.write(PartitionState(self._name, self._partition, fingerprint, generation))

    def update(self, **fields: Any) -> PartitionState:
        """Write new values of some fields."""
        if self.last is None:
            raise ValueError("there is no state yet")
        return self.write(replace(self.last, **fields))

    def write(self, state: PartitionState) -> PartitionState:
        """Write `state` if the last state read or written is unchanged."""
        document = {**asdict(state), "updated_at": now()}
        try:
            answer = self._cluster.run(
                lambda client: client.index(index=PARTITIONS, id=self.digest, document=document, **self._condition)
            )
        except ConflictError:
            # Equal: the state was written, and only the answer was lost.
            if self._read() != state:
                raise LeaseLostError(self._name, f"partition:{self._partition}", self._epoch) from None
        else:
            self._remember(answer.body)
        self.last = state
        return state

    def _read(self) -> PartitionState | None:
        try:
            answer = self._cluster.run(lambda client: client.get(index=PARTITIONS, id=self.digest))
        except NotFoundError:
            self._condition = {"op_type": "create"}
            return None
        self._remember(answer.body)
        return PartitionState(**{name: value for name, value in answer["_source"].items() if name != "updated_at"})

    def _remember(self, answer: Mapping[str, Any]) -> None:
        self._condition = {"if_seq_no": answer["_seq_no"], "if_primary_term": answer["_primary_term"]}


def refreshed_partitions(cluster: Cluster, name: str, partitions: Iterable[str], *, after: JournalPosition) -> set[str]:
    """Return the `partitions` of `name` whose refresh began after the position `after`.

    A refresh that is about to write its beginning counts as well.
    """
    ensure_system_index(cluster, PARTITIONS)
    cluster.run(lambda client: client.indices.refresh(index=PARTITIONS))
    found: set[str] = set()
    for page in pages(sorted(partitions), _PARTITIONS_PER_PAGE):
        query = {
            "bool": {
                "filter": [{"term": {"name": name}}, {"terms": {"partition": list(page)}}],
                "must_not": [{"range": {"begin": {"lte": after}}}],
            }
        }
        hits = cluster.search(PARTITIONS, query=query, size=len(page), source_includes=["partition"])["hits"]["hits"]
        found |= {hit["_source"]["partition"] for hit in hits}
    return found
