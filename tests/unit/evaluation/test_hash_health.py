from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest

from lsh_core.evaluation.hash_health import HashHealth, TokenCounts, assess, weigh_sample
from lsh_core.evaluation.health_lines import health_lines


def counted(sizes: list[int], possible: int, rows: int = 1_000, per_row: int = 1) -> TokenCounts:
    words = tuple(f"t{place}" for place in range(len(sizes)))
    return TokenCounts(rows, per_row, possible, words, np.array(sizes, dtype=np.int64), np.ones(len(sizes)))


def health(sizes: list[int], possible: int, **options: Any) -> HashHealth:
    return assess(counted(sizes, possible, **options), 0.1)


def test_even_lists() -> None:
    found = health([100] * 10, 10)
    assert (found.possible, found.used, found.occupancy, found.entropy) == (10, 10, 1.0, 1.0)
    assert found.sizes == [100] * 10
    assert found.size_ranks == list(range(1, 11))
    assert found.hot == []
    assert (found.touched, found.sampled_rows) == (0.1, None)


def test_all_in_one() -> None:
    found = health([1_000], 16)
    assert (found.used, found.occupancy, found.entropy) == (1, 0.0625, 0.0)
    assert [asdict(each) for each in found.largest] == [{"token": "t0", "rows": 1_000, "share": 1.0}]


def test_one_token_that_there_may_be() -> None:
    assert health([1_000], 1).entropy == 1.0


def test_no_rows_under_any_token() -> None:
    found = health([], 8)
    assert (found.used, found.occupancy, found.entropy, found.sizes, found.largest) == (0, 0.0, 0.0, [], [])


def test_entropy_is_that_of_the_shares() -> None:
    # Shares 1/2, 1/4, 1/8, 1/8: 1.75 bits of the 3 that eight tokens may have.
    assert health([500, 250, 125, 125], 8).entropy == pytest.approx(1.75 / 3)


def test_the_largest_are_named_in_order() -> None:
    sizes = [5, 90, 1, 70, *range(10, 30)]
    found = health(sizes, 100)
    assert [each.token for each in found.largest[:3]] == ["t1", "t3", "t23"]
    assert [each.rows for each in found.largest] == sorted(sizes, reverse=True)[:10]
    assert found.largest[0].share == 0.09


def test_hot_tokens_hold_far_more_than_their_share() -> None:
    sizes = [400, 85, 75, *[1] * 97]
    assert [each.token for each in health(sizes, 100).hot] == ["t0", "t1"]  # 8 times the 10 that each would hold.
    assert [each.token for each in health(sizes, 10_000).hot] == ["t0", "t1", "t2"]  # 10 rows would do.
    assert health([9, *[1] * 991], 10_000).hot == []  # Less than a hundredth of all rows.
    assert health([400] * 4, 10, per_row=4).hot == []


def test_the_curve_is_short_and_keeps_its_ends() -> None:
    sizes = list(range(50_000, 0, -1))
    found = health(sizes, 60_000, rows=10**6)
    assert len(found.sizes) == len(found.size_ranks) <= 200
    assert (found.size_ranks[0], found.size_ranks[-1]) == (1, 50_000)
    assert found.sizes == [50_001 - rank for rank in found.size_ranks]
    middle = found.size_ranks[len(found.size_ranks) // 2]
    assert math.sqrt(50_000) / 2 < middle < math.sqrt(50_000) * 4  # Evenly in the logarithm.


def test_a_sample_tells_of_all_tokens() -> None:
    generator = np.random.default_rng(0)
    rows, per_row, possible = 20_000, 10, 20_000
    weights = generator.pareto(1.2, possible // per_row) + 0.01
    weights /= weights.sum()
    tokens = np.stack([generator.choice(2_000, rows, p=weights) + 2_000 * table for table in range(per_row)], axis=1)
    sizes = np.bincount(tokens.ravel(), minlength=possible)
    whole = TokenCounts(
        rows, per_row, possible, tuple(map(str, np.flatnonzero(sizes))), sizes[sizes > 0], np.ones((sizes > 0).sum())
    )
    met, drawn = np.unique(tokens[generator.choice(rows, 1_000, replace=False)], return_counts=True)
    sampled = TokenCounts(
        rows,
        per_row,
        possible,
        tuple(map(str, met)),
        sizes[met],
        weigh_sample(drawn, sizes[met], rows * per_row),
        1_000,
    )
    exact, told = assess(whole, 0.1), assess(sampled, 0.1)
    assert len(met) < 0.6 * exact.used
    assert told.used == pytest.approx(exact.used, rel=0.1)
    assert told.entropy == pytest.approx(exact.entropy, abs=0.01)
    assert sampled.alone == pytest.approx(whole.alone, abs=0.01)
    assert told.largest == exact.largest
    assert told.sampled_rows == 1_000
    assert told.sizes[0] == exact.sizes[0]
    there = np.interp(np.log(told.size_ranks), np.log(exact.size_ranks), np.log(exact.sizes))
    assert np.abs(np.log(told.sizes) - there).mean() < 0.2
    assert (np.diff(told.sizes) <= 0).all()


def test_entries_that_no_second_row_shares() -> None:
    assert counted([1, 1, 2, 4], 10).alone == 0.25
    assert counted([], 10).alone == 0.0


def test_it_is_json() -> None:
    found = json.loads(json.dumps(asdict(health([500, 250, 125, 125], 8))))
    assert list(found) == [
        "possible", "used", "occupancy", "entropy", "sizes", "size_ranks", "largest", "hot", "touched",
        "sampled_rows", "warnings",
    ]  # fmt: skip


def test_it_is_told_in_three_lines() -> None:
    found = health([500, 250, 125, 125], 8)
    assert list(health_lines(found)) == [
        "tokens: 4 of 8 hold rows (50.0%), entropy 0.583",
        "the largest holds 500 rows (50.00%)",
        "a search goes through 10.00% of the rows",
    ]
    hot = replace(health([400, 85, 75, *[1] * 97], 100), sampled_rows=2_000)
    lines = list(health_lines(hot))
    assert lines[0].endswith(", by a sample of 2,000 rows")
    assert lines[1].endswith(", 2 hold far more than their share")
    assert len(list(health_lines(health([], 8)))) == 2
