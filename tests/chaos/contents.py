"""What an index, and the ledger, really hold: read document by document, and compared with the source.

Nothing here goes through the accounts that ``lsh_core`` keeps.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tests.chaos.source_model import SourceModel

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

LEDGER, RUNS = "airlsh-ledger", "airlsh-runs"
PAGE = 2_000
SAMPLE = 200


class Held(NamedTuple):
    """One document: its row in the source, its chunk, and the number of the write that made it."""

    row: int
    chunk: int
    seq_no: int


class Stamp(NamedTuple):
    """One ledger entry, and what would be different if it had been written again."""

    chunk: int
    first_row_number: int
    rows: int
    seq_no: int
    version: int
    finished_at: str


def every_hit(client: Elasticsearch, index: str, sort: str, **body: Any) -> Iterator[Mapping[str, Any]]:
    """Yield every document that `index` holds now, whatever is written meanwhile, in the order of the field `sort`."""
    client.indices.refresh(index=index)
    point = client.open_point_in_time(index=index, keep_alive="2m", allow_partial_search_results=False)["id"]
    after = None
    try:
        while True:
            answer = client.search(
                pit={"id": point, "keep_alive": "2m"},
                size=PAGE,
                sort=[{sort: "asc"}],
                search_after=after,
                track_total_hits=False,
                seq_no_primary_term=True,
                version=True,
                **body,
            )
            assert not answer["_shards"]["failed"], answer["_shards"]
            hits = answer["hits"]["hits"]
            yield from hits
            if len(hits) < PAGE:
                return
            after = hits[-1]["sort"]
    finally:
        client.close_point_in_time(id=point)


def read_documents(client: Elasticsearch, index: str) -> dict[str, Held]:
    """Return every document of `index` by its id."""
    held: dict[str, Held] = {}
    for hit in every_hit(client, index, "airlsh.row", source=False, docvalue_fields=["airlsh.row", "airlsh.chunk"]):
        assert hit["_id"] not in held, f"{hit['_id']} came twice"
        fields = hit["fields"]
        held[hit["_id"]] = Held(int(fields["airlsh.row"][0]), int(fields["airlsh.chunk"][0]), hit["_seq_no"])
    return held


def read_ledger(client: Elasticsearch, build: str) -> dict[str, Stamp]:
    """Return every ledger entry of `build` by its document id."""
    fields = ["chunk", "first_row_number", "rows_read", "finished_at"]
    hits = every_hit(client, LEDGER, "chunk", query={"term": {"build": build}}, source_includes=fields)
    return {
        hit["_id"]: Stamp(
            hit["_source"]["chunk"],
            hit["_source"]["first_row_number"],
            hit["_source"]["rows_read"],
            hit["_seq_no"],
            hit["_version"],
            hit["_source"]["finished_at"],
        )
        for hit in hits
    }


def finished_times(client: Elasticsearch, build: str) -> list[float]:
    """Return when each chunk of `build` entered the ledger, in seconds since 1970, earliest first."""
    return sorted(
        datetime.fromisoformat(stamp.finished_at).timestamp() for stamp in read_ledger(client, build).values()
    )


def builds_of(client: Elasticsearch, name: str) -> list[str]:
    """Return the builds of `name` that have a record, oldest first."""
    if not client.indices.exists(index=RUNS):
        return []
    client.indices.refresh(index=RUNS)
    answer = client.search(index=RUNS, query={"term": {"name": name}}, sort=[{"started_at": "asc"}], size=1000)
    return [hit["_source"]["build"] for hit in answer["hits"]["hits"]]


def index_behind(client: Elasticsearch, alias: str) -> str:
    """Return the one index behind `alias`."""
    found = list(client.indices.get_alias(name=alias))
    assert len(found) == 1, f"{alias} stands for {found}"
    return str(found[0])


def assert_holds_source(client: Elasticsearch, index: str, model: SourceModel, *, seed: int) -> None:
    """Compare all of `index` with the source: every id, its row, the count, and the vectors of a sample."""
    held = read_documents(client, index)
    rows = {identity: document.row for identity, document in held.items()}
    missing, foreign = model.winners.keys() - rows.keys(), rows.keys() - model.winners.keys()
    assert not missing, f"seed {seed}: {len(missing)} ids are missing, such as {sorted(missing)[:5]}"
    assert not foreign, f"seed {seed}: {len(foreign)} ids are not the source's, such as {sorted(foreign)[:5]}"
    wrong = [each for each, row in model.winners.items() if rows[each] != row]
    assert not wrong, f"seed {seed}: {len(wrong)} ids hold a row that is not their last, such as {wrong[:5]}"
    answer = client.count(index=index)
    assert answer["_shards"]["successful"] == answer["_shards"]["total"]
    assert answer["count"] == len(model.winners), f"seed {seed}"
    sample = random.Random(seed).sample(sorted(model.winners), min(SAMPLE, len(model.winners)))
    source = {"includes": ["embedding"], "exclude_vectors": False}
    answer = client.search(index=index, query={"ids": {"values": sample}}, size=len(sample), source=source)
    assert len(answer["hits"]["hits"]) == len(sample), f"seed {seed}"
    for found in answer["hits"]["hits"]:
        expected = np.asarray(model.vectors[model.winners[found["_id"]]], dtype=np.float32)
        assert np.array_equal(_vector(found["_source"]["embedding"]), expected), f"seed {seed}: {found['_id']}"


def assert_ledger_is_covered(client: Elasticsearch, index: str, build: str, model: SourceModel, *, seed: int) -> int:
    """Every row that the ledger calls done is held, or a later row of its id is; return the number of entries."""
    entries = read_ledger(client, build)  # Before the documents: an entry that comes later is not looked at.
    held = read_documents(client, index)
    for entry in entries.values():
        for row_number in range(entry.first_row_number, entry.first_row_number + entry.rows):
            identity = model.ids[row_number]
            if identity is not None:
                assert identity in held, f"seed {seed}: chunk {entry.chunk} is in the ledger, {identity} is lost"
                assert held[identity].row >= row_number, (
                    f"seed {seed}: {identity} went back to row {held[identity].row}"
                )
    return len(entries)


def assert_not_sent_again(
    client: Elasticsearch,
    index: str,
    build: str,
    entries: Mapping[str, Stamp],
    documents: Mapping[str, Held],
    *,
    seed: int,
    unanswered: int = 0,
) -> None:
    """What was in the ledger before stands there untouched, and so do the documents of its chunks.

    Where a node died, `unanswered` entries may have been seen before their writers had the answer: those write the
    entry again, but not the rows.
    """
    now = read_ledger(client, build)
    changed = [entry.chunk for key, entry in entries.items() if now.get(key) != entry]
    assert len(changed) <= unanswered, f"seed {seed}: ledger entries of chunks {changed} were written again"
    assert entries.keys() <= now.keys(), f"seed {seed}: ledger entries are gone"
    done = {entry.chunk for entry in entries.values()}
    after = read_documents(client, index)
    again = [
        identity
        for identity, before in documents.items()
        if before.chunk in done and after[identity].row == before.row and after[identity].seq_no != before.seq_no
    ]
    assert not again, f"seed {seed}: {len(again)} rows of finished chunks were sent again, such as {again[:5]}"


def _vector(stored: Any) -> np.ndarray[Any, np.dtype[np.float32]]:
    if isinstance(stored, str):
        return np.frombuffer(base64.b64decode(stored), dtype=">f4").astype(np.float32)
    return np.asarray(stored, dtype=np.float32)
