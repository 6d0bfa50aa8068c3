"""What an index must hold, against a dict that is written row by row."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lsh_core.builds.id_hashes import IdHashes, hash_ids
from lsh_core.loading.expected_contents import expected_contents, one_group, split_by_outcome
from lsh_core.loading.external_grouping import SpillingGroupBy
from lsh_core.loading.ledger import LedgerEntry, packed_vector, unpacked_vector

# A chunk: for each row its id, or None for a row that was refused.
chunks_of_ids = st.lists(st.lists(st.none() | st.sampled_from("abcdefghij"), max_size=12), max_size=8)


def entry(number: int, row_number: int, ids: list[str | None]) -> LedgerEntry:
    offsets = np.array([offset for offset, identity in enumerate(ids) if identity is not None], dtype=np.int64)
    return LedgerEntry(
        chunk=number,
        source="s",
        start=row_number,
        stop=row_number + len(ids),
        first_row_number=row_number,
        node="n",
        dead_lettered=ids.count(None),
        offsets=offsets,
        id_hashes=hash_ids([identity for identity in ids if identity is not None]),
    )


@given(
    chunks=chunks_of_ids,
    first_row_number=st.integers(0, 2**40),
    first_number=st.integers(0, 5),
    order=st.randoms(use_true_random=False),
    replaced=st.sets(st.sampled_from("abcdefghijk")),
    memory_bytes=st.none() | st.integers(1, 24 * 40),
)
def test_the_last_row_of_an_id_wins(
    chunks: list[list[str | None]],
    first_row_number: int,
    first_number: int,
    order: Random,
    replaced: set[str],
    memory_bytes: int | None,
) -> None:
    entries, index, row_number = [], {}, first_row_number
    read = lost = 0
    for number, ids in enumerate(chunks, start=first_number):
        entries.append(entry(number, row_number, ids))
        for identity in ids:
            if identity in replaced:
                lost += 1
            elif identity is not None:
                index[identity] = (number, row_number)
                read += 1
            row_number += 1
    order.shuffle(entries)

    expected = expected_contents(
        iter(entries),
        replaced=IdHashes(hash_ids(sorted(replaced))),
        group=one_group if memory_bytes is None else SpillingGroupBy(memory_bytes),
    )

    assert expected.documents == len(index)
    assert expected.repeated == read - len(index)
    assert expected.replaced == lost
    counts = Counter(number for number, _ in index.values())
    assert {number: held.documents for number, held in expected.chunks.items()} == dict(counts)
    for number, held in expected.chunks.items():
        assert held.row_number_sum == sum(row_number for chunk, row_number in index.values() if chunk == number)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=30),
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3))),
)
def test_hashes_that_share_a_half_are_told_apart(rows: list[tuple[int, int]], owned: list[tuple[int, int]]) -> None:
    halves = np.array(rows, np.uint64).reshape(-1, 2) << np.uint64(62)
    last = {pair: place for place, pair in enumerate(rows)}
    placed = np.column_stack((halves, np.arange(len(rows), dtype=np.uint64)))
    won, lost = split_by_outcome(placed)
    assert sorted(won.tolist()) == sorted(last.values())
    assert sorted((*won.tolist(), *lost.tolist())) == list(range(len(rows)))
    parted = [
        set(split_by_outcome(group)[0].tolist())
        for group in SpillingGroupBy(100)(placed[at : at + 3] for at in range(0, 30, 3))
    ]
    assert sorted(place for group in parted for place in group) == sorted(last.values())
    known = IdHashes(np.array(owned, np.uint64).reshape(-1, 2) << np.uint64(62))
    assert known.contains(halves).tolist() == [pair in owned for pair in rows]


def test_rows_spill_into_a_folder_that_goes_away(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).integers(0, 2**63, (5_000, 3)).astype(np.uint64)
    groups = SpillingGroupBy(24 * 1_000, tmp_path)(rows[at : at + 100] for at in range(0, 5_000, 100))
    first = next(groups)
    assert 0 < len(first) < 200
    (folder,) = tmp_path.iterdir()
    assert len(list(folder.iterdir())) > 100
    groups.close()
    assert list(tmp_path.iterdir()) == []


@given(chunks_of_ids)
def test_an_entry_comes_back_from_the_store_as_it_was(chunks: list[list[str | None]]) -> None:
    row_number = 0
    for number, ids in enumerate(chunks):
        written = entry(number, row_number, ids)
        row_number += len(ids)
        document = written.to_document("b", "uuid")
        assert (document["rows_read"], document["valid"]) == (len(ids), len(ids) - ids.count(None))
        read = LedgerEntry.from_document(document)
        assert read.offsets.tolist() == written.offsets.tolist()
        assert read.id_hashes.tolist() == written.id_hashes.tolist()
        assert read.id_hashes.dtype == np.uint64
        for name in (
            "chunk",
            "source",
            "start",
            "stop",
            "first_row_number",
            "node",
            "dead_lettered",
            "samples",
            "nodes",
        ):
            assert getattr(read, name) == getattr(written, name)


@given(st.lists(st.text(), unique=True))
def test_different_ids_have_different_hashes(ids: list[str]) -> None:
    hashes = hash_ids(ids)
    assert hashes.shape == (len(ids), 2)
    assert len({tuple(each) for each in hashes.tolist()}) == len(ids)
    assert hash_ids(ids).tolist() == hashes.tolist()


@given(arrays("float32", st.integers(0, 8), elements=st.floats(width=32)))
def test_a_sampled_vector_comes_back_bit_by_bit(vector: np.ndarray) -> None:
    assert unpacked_vector(packed_vector(vector)).tobytes() == vector.tobytes()
