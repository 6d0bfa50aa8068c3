"""State of partitions between two refreshes: ``airlsh-partitions``, one document per partition."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from lsh_core.builds.journal_position import JournalPosition
from lsh_core.builds.records import now
from lsh_core.elastic.cluster import on_any_node, search
from lsh_core.elastic.connection import Connection
from lsh_core.elastic.paging import pages
from lsh_core.elastic.system_indices import PARTITIONS, ensure_system_index
from lsh_core.errors import LeaseLostError

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

_PARTITIONS_PER_PAGE = 500


@dataclass(frozen=True)
class PartitionState:
    """The last refresh of a partition.

    Attributes
    ----------
    fingerprint
        Of the files that it reads.
    generation
        Its number, from 1.
    begin
        Position of its first mark in the journal: whatever is written later is newer than the refresh.
        None until the mark is there.
    done
        Whether it came to its end.
    rows
        Rows that it read.
    """

    name: str
    partition: str
    fingerprint: str
    generation: int
    begin: JournalPosition | None = None
    done: bool = False
    rows: int = 0

    def key(self, *what: object) -> str:
        """Return the journal's key of something that this refresh writes: repeated, it is the same one."""
        parts = (self.name, self.partition, self.generation, *what)
        return hashlib.sha256("\x00".join(map(str, parts)).encode()).hexdigest()[:40]


class PartitionStore:
    """The state of one partition; every read is in real time, every write a compare-and-swap.

    To be used by whoever holds the partition's lease.

    Attributes
    ----------
    digest
        Stands for the name and the partition where neither may be written.
    last
        The state as it was last read or written.
    """

    def __init__(self, connection: Connection, name: str, partition: str, *, epoch: int) -> None:
        self._connection, self._name, self._partition, self._epoch = connection, name, partition, epoch
        self.digest = hashlib.sha256(f"{name}\x00{partition}".encode()).hexdigest()[:40]
        on_any_node(connection, lambda client: ensure_system_index(client, PARTITIONS))
        self._condition: dict[str, Any] = {}
        self.last = on_any_node(connection, self._read)

    def begin(self, fingerprint: str) -> PartitionState:
        """Write the refresh to go on with: the one that was not finished, if it read the same files, else a new one.

        To be called where a refresh of the same files is not done, or is to be done again.

        Raises
        ------
        LeaseLostError
            Somebody else is at it.
        """
        if self.last is not None and self.last.fingerprint == fingerprint and not self.last.done:
            return self.write(self.last)
        generation = 1 if self.last is None else self.last.generation + 1
        return self.write(PartitionState(self._name, self._partition, fingerprint, generation))

    def update(self, **fields: Any) -> PartitionState:
        """Write some fields of the state anew."""
        if self.last is None:
            raise ValueError("there is no state yet")
        return self.write(replace(self.last, **fields))

    def write(self, state: PartitionState) -> PartitionState:
        """Write `state` where the last one read or written still stands."""
        from elasticsearch import ConflictError

        document = {**asdict(state), "updated_at": now()}
        try:
            answer = on_any_node(
                self._connection,
                lambda client: client.index(index=PARTITIONS, id=self.digest, document=document, **self._condition),
            )
        except ConflictError:
            if on_any_node(self._connection, self._read) != state:  # Else: written, and only the answer was lost.
                raise LeaseLostError(self._name, f"partition:{self._partition}", self._epoch) from None
        else:
            self._remember(answer.body)
        self.last = state
        return state

    def _read(self, client: Elasticsearch) -> PartitionState | None:
        from elasticsearch import NotFoundError

        try:
            answer = client.get(index=PARTITIONS, id=self.digest)
        except NotFoundError:
            self._condition = {"op_type": "create"}
            return None
        self._remember(answer.body)
        return PartitionState(**{name: value for name, value in answer["_source"].items() if name != "updated_at"})

    def _remember(self, answer: Mapping[str, Any]) -> None:
        self._condition = {"if_seq_no": answer["_seq_no"], "if_primary_term": answer["_primary_term"]}


def refreshed_partitions(
    client: Elasticsearch, name: str, partitions: Iterable[str], *, after: JournalPosition
) -> set[str]:
    """Return those of `partitions` of `name` that began to be refreshed after a position.

    One whose refresh is about to write that it begins counts as well.
    """
    ensure_system_index(client, PARTITIONS)
    client.indices.refresh(index=PARTITIONS)
    found: set[str] = set()
    for page in pages(sorted(partitions), _PARTITIONS_PER_PAGE):
        query = {
            "bool": {
                "filter": [{"term": {"name": name}}, {"terms": {"partition": list(page)}}],
                "must_not": [{"range": {"begin": {"lte": after}}}],
            }
        }
        hits = search(client, PARTITIONS, query=query, size=len(page), source_includes=["partition"])["hits"]["hits"]
        found |= {hit["_source"]["partition"] for hit in hits}
    return found
