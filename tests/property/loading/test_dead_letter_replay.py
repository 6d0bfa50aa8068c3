"""Ledger entries whose refused rows were corrected."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lsh_core.builds.id_hashes import hash_ids
from lsh_core.loading.dead_letter_replay import with_rows
from lsh_core.loading.ledger import LedgerEntry


def entry(rows: int, taken: set[int], first_row_number: int) -> LedgerEntry:
    offsets = np.array(sorted(taken), np.int64)
    return LedgerEntry(
        chunk=4,
        source="a.parquet",
        start=100,
        stop=100 + rows,
        first_row_number=first_row_number,
        node="http://a",
        dead_lettered=rows - len(taken),
        offsets=offsets,
        id_hashes=hash_ids([f"id-{offset}" for offset in offsets.tolist()]),
    )


@given(
    taken=st.sets(st.integers(0, 19)),
    corrections=st.lists(st.lists(st.integers(0, 19), unique=True), max_size=4),
    first_row_number=st.integers(0, 2**40),
)
def test_corrected_rows_balance_in_any_order_and_repeated(
    taken: set[int], corrections: list[list[int]], first_row_number: int
) -> None:
    mended = entry(20, taken, first_row_number)
    for offsets in [*corrections, *corrections]:  # The second time changes nothing.
        ids = [f"id-{offset}" for offset in offsets]
        mended = with_rows(mended, np.array(offsets, np.int64) + first_row_number, hash_ids(ids))
    wanted = entry(20, taken.union(*corrections), first_row_number)
    assert mended.offsets.tolist() == wanted.offsets.tolist()
    assert mended.id_hashes.tolist() == wanted.id_hashes.tolist()
    assert mended.dead_lettered == wanted.dead_lettered
    assert LedgerEntry.from_document(mended.to_document("b", "uuid")).offsets.tolist() == wanted.offsets.tolist()
