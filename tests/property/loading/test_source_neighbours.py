"""Neighbours that are merged from the ledger, against a brute force over the rows that the index ends up with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsh_core.builds.id_hashes import IdHashes, digests, hash_ids
from lsh_core.exact.known_neighbours import KnownNeighbours
from lsh_core.exact.near_rows import NearRows
from lsh_core.exact.nearest_rows import NearestRows
from lsh_core.exact.row_comparison import RowComparison
from lsh_core.loading.dead_letter_replay import with_rows
from lsh_core.loading.expected_contents import expected_contents, one_group
from lsh_core.loading.external_grouping import SpillingGroupBy
from lsh_core.loading.ledger import LedgerEntry
from lsh_core.loading.source_neighbours import SourceNeighbours
from lsh_core.loading.source_queries import SourceQueries

DIMS = 3


@dataclass
class Source:
    """Rows by row number: ids, vectors, and what becomes of each."""

    ids: list[str]
    vectors: np.ndarray
    invalid: np.ndarray
    refused: np.ndarray
    corrected: np.ndarray
    chunks: list[tuple[int, int]]
    queries: SourceQueries

    @property
    def corrections(self) -> np.ndarray:
        """Vectors of the corrected rows, at the row numbers of all rows."""
        return self.vectors + 1


def made(seed: int, rows: int, *, repeated: float, refused: float, chunks: int, queries: int, grid: bool) -> Source:
    generator = np.random.default_rng(seed)
    distinct = max(1, round(rows * (1 - repeated)))
    ids = [f"r{number}" for number in generator.integers(distinct, size=rows).tolist()]
    if not repeated:
        ids = [f"r{row}" for row in range(rows)]
    values = generator.integers(1, 4, (rows, DIMS)) if grid else generator.normal(size=(rows, DIMS))
    borders = np.sort(np.concatenate(([0, rows], generator.integers(0, rows + 1, chunks - 1)))).tolist()
    invalid = generator.random(rows) < refused / 2
    refusals = ~invalid & (generator.random(rows) < refused)
    vectors = values.astype(np.float32)
    drawn = generator.permutation(np.flatnonzero(~invalid))[:queries]
    return Source(
        ids,
        vectors,
        invalid,
        refusals,
        (invalid | refusals) & (generator.random(rows) < 0.5),
        list(pairwise(borders)),
        SourceQueries(drawn, tuple(ids[row] for row in drawn.tolist()), vectors[drawn]),
    )


def entries(source: Source, keep: int, metric: str, workers: int, again: int) -> list[LedgerEntry]:
    """Load the chunks on some workers; the first `again` are loaded twice."""
    comparisons = [RowComparison(source.queries.vectors, keep, metric) for _ in range(workers)]
    found = []
    for number, (first, stop) in enumerate([*source.chunks[:again], *source.chunks]):
        chunk = number - again if number >= again else number
        valid = np.flatnonzero(~source.invalid[first:stop])
        near = comparisons[number % workers].compare(source.vectors[first:stop][valid], valid, first, stop)
        taken = valid[~source.refused[first:stop][valid]]
        loaded = LedgerEntry(
            chunk=chunk,
            source="s",
            start=first,
            stop=stop,
            first_row_number=first,
            node="n",
            dead_lettered=stop - first - len(taken),
            offsets=taken,
            id_hashes=hash_ids([source.ids[first + offset] for offset in taken.tolist()]),
            queries=source.queries.fingerprint,
            near_rows=near.to_bytes(),
        )
        late = first + np.flatnonzero(source.corrected[first:stop])
        found.append(with_rows(loaded, late, hash_ids([source.ids[row] for row in late.tolist()])))
    return found[again:]


def contents(source: Source, replaced: set[str]) -> dict[str, int]:
    """The row number of each id that the index holds from the source."""
    held = {}
    for row, id in enumerate(source.ids):
        lost = (source.invalid[row] or source.refused[row]) and not source.corrected[row]
        if not lost and id not in replaced:
            held[id] = row
    return held


def brute_force(queries: np.ndarray, rows: np.ndarray, ids: list[str], k: int, metric: str) -> KnownNeighbours:
    nearest = NearestRows(queries, k, metric, expected=len(rows))
    nearest.add(rows)
    hashes = np.concatenate((hash_ids(ids), np.zeros((1, 2), np.uint64)))
    return KnownNeighbours(nearest.measures, hashes[np.minimum(nearest.rows, len(rows))], np.full(len(queries), np.inf))


def check(source: Source, metric: str, *, k: int, keep: int, workers: int, again: int, spill: bool) -> tuple[int, int]:
    """Compare merge and brute force; return the number of usable queries, and of those that are certain."""
    replaced = {id for number, id in enumerate(sorted(set(source.ids))) if number % 9 == 4 and source.refused.any()}
    merged = SourceNeighbours(source.queries, 2 * keep, IdHashes(hash_ids(sorted(replaced))))
    loaded = entries(source, keep, metric, workers, again)
    stored = [LedgerEntry.from_document(entry.to_document("b", "uuid")) for entry in loaded]
    group = SpillingGroupBy(24 * 20) if spill else one_group
    held = contents(source, replaced)
    expected = expected_contents(
        merged.follow(stored),
        replaced=IdHashes(hash_ids(sorted(replaced))),
        group=group,
        superseded=merged.drop,
    )
    assert expected.documents == len(held)
    usable, known = merged.result()
    wanted = [
        place
        for place, (row, id) in enumerate(zip(source.queries.row_numbers.tolist(), source.queries.ids, strict=True))
        if held.get(id) == row and not source.corrected[row]
    ]
    assert usable.tolist() == wanted
    late = [row for row in merged.corrected if held.get(source.ids[row]) == row]
    live = sorted(replaced)
    others = np.concatenate((source.corrections[late], np.full((len(live), DIMS), 1.5, np.float32)))
    other_ids = [source.ids[row] for row in late] + live
    vectors = source.queries.vectors[usable]
    if len(others) and len(usable):
        added = brute_force(vectors, others, other_ids, k, metric)
        known = known.with_rows(added.measures, added.id_hashes)
    early = [row for row in held.values() if not source.corrected[row]]
    rows = np.concatenate((source.vectors[early], others))
    ids = [source.ids[row] for row in early] + other_ids
    certain = known.are_certain(k)
    for query in np.flatnonzero(certain).tolist():
        own = source.queries.ids[usable[query]]
        rest = [place for place, id in enumerate(ids) if id != own]
        truth = brute_force(vectors[[query]], rows[rest], [ids[place] for place in rest], k, metric)
        np.testing.assert_array_equal(known.measures[query, :k], truth.measures[0])
        told, found = digests(known.id_hashes[query, :k]), digests(truth.id_hashes[0])
        nearer = truth.measures[0] < truth.measures[0][-1]
        assert {told[place] for place in np.flatnonzero(nearer)} == {found[place] for place in np.flatnonzero(nearer)}
        assert len(set(told)) == k
        assert digests(hash_ids([own]))[0] not in told
    if not source.refused.any() and len(set(source.ids)) == len(source.ids):
        assert certain.all() == (len(rows) > k) or not len(usable)
    return len(usable), int(certain.sum())


@given(
    seed=st.integers(0, 2**32),
    rows=st.integers(1, 90),
    repeated=st.sampled_from([0.0, 0.2, 0.6]),
    refused=st.sampled_from([0.0, 0.2]),
    chunks=st.integers(1, 7),
    k=st.integers(1, 4),
    workers=st.integers(1, 3),
    again=st.integers(0, 1),
    grid=st.booleans(),
    spill=st.booleans(),
    metric=st.sampled_from(["l2", "cosine", "dot"]),
)
def test_they_are_those_of_the_rows_that_count(
    seed: int,
    rows: int,
    repeated: float,
    refused: float,
    chunks: int,
    k: int,
    workers: int,
    again: int,
    grid: bool,
    spill: bool,
    metric: str,
) -> None:
    source = made(seed, rows, repeated=repeated, refused=refused, chunks=chunks, queries=8, grid=grid)
    check(source, metric, k=k, keep=2 * (k + 1), workers=workers, again=again, spill=spill)


@pytest.mark.usefixtures("example_plugins")
def test_a_metric_without_a_bound() -> None:
    source = made(1, 300, repeated=0, refused=0.1, chunks=9, queries=20, grid=False)
    usable, certain = check(source, "l1", k=3, keep=8, workers=2, again=2, spill=False)
    assert certain == usable > 10


@pytest.mark.parametrize("metric", ["l2", "cosine", "dot"])
def test_the_margin_takes_usual_losses(metric: str) -> None:
    source = made(2, 4_000, repeated=0.2, refused=0.05, chunks=20, queries=100, grid=False)
    usable, certain = check(source, metric, k=10, keep=22, workers=2, again=3, spill=True)
    assert usable > 40
    assert certain > 0.95 * usable


def test_lists_of_other_queries_make_nothing_certain() -> None:
    source = made(3, 200, repeated=0, refused=0, chunks=4, queries=10, grid=False)
    merged = SourceNeighbours(source.queries, 16, IdHashes())
    loaded = entries(source, 8, "l2", 1, 0)
    loaded[2] = replace(loaded[2], queries="others")
    expected_contents(merged.follow(loaded), superseded=merged.drop)
    usable, known = merged.result()
    assert len(usable) == 10
    assert not known.are_certain(1).any()


def test_later_chunks_list_little() -> None:
    source = made(4, 20_000, repeated=0, refused=0, chunks=20, queries=50, grid=False)
    listed = [len(NearRows.from_bytes(entry.near_rows or b"").queries) for entry in entries(source, 10, "l2", 1, 0)]
    assert sum(listed) < 10 * 50 * 5
