"""Lists of near rows: complete up to their cut-offs, and short."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from lsh_core.exact.near_rows import NearRows
from lsh_core.exact.row_comparison import RowComparison

GENERATOR = np.random.default_rng(0)
ROWS = GENERATOR.normal(size=(3_000, 8)).astype(np.float32)
QUERIES = GENERATOR.normal(size=(20, 8)).astype(np.float32)
SQUARES = ((ROWS[None].astype(np.float64) - QUERIES[:, None]) ** 2).sum(axis=2)


def compared(comparison: RowComparison, first: int, stop: int) -> NearRows:
    return comparison.compare(ROWS[first:stop], np.arange(stop - first), first, stop)


def check(near: NearRows, first: int, stop: int) -> None:
    """Every row below a cut-off is listed, and what is listed is measured rightly."""
    for query in range(len(QUERIES)):
        own = near.queries == query
        listed = near.offsets[own]
        np.testing.assert_allclose(near.measures[own], SQUARES[query, first + listed], rtol=1e-12)
        below = np.flatnonzero(SQUARES[query, first:stop] < near.cutoffs[query] * (1 - 1e-12))
        assert set(below.tolist()) <= set(listed.tolist())


def test_lists_are_complete_up_to_their_cutoffs_and_get_shorter() -> None:
    comparison = RowComparison(QUERIES, 5, "l2")
    sizes = []
    for first in range(0, 3_000, 300):
        near = compared(comparison, first, first + 300)
        check(near, first, first + 300)
        sizes.append(len(near.offsets))
    assert sizes[0] == 100
    assert sum(sizes[5:]) < 100


def test_a_chunk_that_is_compared_again_is_listed_as_before() -> None:
    comparison = RowComparison(QUERIES, 5, "l2")
    compared(comparison, 0, 1_000)
    once = compared(comparison, 1_000, 2_000)
    again = compared(comparison, 1_000, 2_000)
    np.testing.assert_array_equal(once.offsets, again.offsets)
    np.testing.assert_array_equal(once.cutoffs, again.cutoffs)
    # With a row of it refused, and after other chunks.
    check(compared(comparison, 2_000, 3_000), 2_000, 3_000)
    last = comparison.compare(ROWS[1_001:2_000], np.arange(1, 1_000), 1_000, 2_000)
    assert 0 not in last.offsets
    check(last, 1_000, 2_000)


def test_a_chunk_of_few_rows_or_none_is_listed_as_a_whole() -> None:
    comparison = RowComparison(QUERIES, 5, "l2")
    empty = comparison.compare(ROWS[:0], np.arange(0), 0, 10)
    assert len(empty.offsets) == 0
    assert np.isinf(empty.cutoffs).all()
    few = compared(comparison, 10, 13)
    assert len(few.offsets) == 60
    assert np.isinf(few.cutoffs).all()
    assert not np.isinf(compared(comparison, 13, 30).cutoffs).any()


def test_threads_keep_their_own_bounds() -> None:
    comparison = RowComparison(QUERIES, 5, "l2")
    compared(comparison, 0, 2_000)
    with ThreadPoolExecutor(1) as pool:
        assert len(pool.submit(compared, comparison, 2_000, 3_000).result().offsets) == 100
    assert len(compared(comparison, 2_000, 3_000).offsets) < 100


@pytest.mark.parametrize("rows", [0, 3, 500])
def test_the_stored_form(rows: int) -> None:
    near = compared(RowComparison(QUERIES, 5, "l2"), 0, rows)
    again = NearRows.from_bytes(near.to_bytes())
    for name in ("cutoffs", "queries", "offsets", "measures"):
        np.testing.assert_array_equal(getattr(again, name), getattr(near, name))
        assert getattr(again, name).dtype == getattr(near, name).dtype


def test_a_row_that_cannot_be_compared_is_named_by_its_number_in_the_source() -> None:
    comparison = RowComparison(np.ones((1, 2)), 3, "cosine")
    with pytest.raises(ValueError, match="row 1007 is zero"):
        comparison.compare(np.array([[1.0, 0.0], [0.0, 0.0]]), np.array([3, 7]), 1000, 1010)
