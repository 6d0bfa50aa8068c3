"""What holds of a fusion whatever the rankings are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lsh_core.search.fusion import reciprocal_ranks, weighted
from lsh_core.search.results import Neighbour

NUMBERS = st.floats(-1e6, 1e6, width=32)
SCORES = st.floats(2**-10, 1e4, width=32)
WEIGHTS = st.floats(0, 1)
Rankings = tuple[list[Neighbour], list[Neighbour]]


@st.composite
def rankings(draw: st.DrawFn) -> Rankings:
    """Two rankings of some rows of one set, as a server would make them: rows that match the words may be in none."""
    rows = [
        Neighbour(0, f"r{number}", distance, 0.0, {}, text)
        for number, (distance, text) in enumerate(
            draw(st.lists(st.tuples(NUMBERS, st.one_of(st.just(0.0), SCORES)), max_size=12))
        )
    ]
    by_vector = sorted(rows, key=lambda row: row.distance)
    by_words = sorted((row for row in rows if (row.match_score or 0) > 0), key=lambda row: -(row.match_score or 0))
    return by_vector[: draw(st.integers(0, 12))], by_words[: draw(st.integers(0, 12))]


@given(rankings())
def test_with_weight_0_or_1_one_ranking_comes_out_as_it_went_in(both: Rankings) -> None:
    by_vector, by_words = both
    assert [row.id for row in weighted(by_vector, by_words, 0)] == [row.id for row in by_vector]
    assert [row.id for row in weighted(by_vector, by_words, 1)] == [row.id for row in by_words]


@given(rankings(), WEIGHTS)
def test_scores_are_shares_and_fall(both: Rankings, weight: float) -> None:
    for ranking, most in ((weighted(*both, weight), 1.0), (reciprocal_ranks(*both), 2 / 61)):
        fused = [row.score for row in ranking]
        assert all(0 <= score <= most for score in fused)
        assert fused == sorted(fused, reverse=True)
        assert [row.rank for row in ranking] == list(range(1, len(ranking) + 1))


@given(rankings(), WEIGHTS)
def test_a_row_that_is_as_good_in_both_ways_is_not_behind(both: Rankings, weight: float) -> None:
    ranking = weighted(*both, weight)
    for better in ranking:
        for worse in ranking:
            if better.distance <= worse.distance and (better.match_score or 0) >= (worse.match_score or 0):
                assert better.score >= worse.score


@given(rankings(), WEIGHTS, SCORES)
def test_more_of_the_text_never_harms(both: Rankings, weight: float, more: float) -> None:
    """The score in the middle of the ranking by text, which all are measured by, left as it is."""
    by_vector, by_words = both
    middle = by_words[len(by_words) // 2].id if by_words else None
    before = {row.id: row for row in weighted(by_vector, by_words, weight)}
    for row in before.values():
        if row.id == middle:
            continue
        raised = [
            [replace(each, match_score=each.match_score + more) if each.id == row.id else each for each in ranking]
            for ranking in both
        ]
        after = {each.id: each for each in weighted(raised[0], raised[1], weight)}
        assert after[row.id].score >= row.score
        assert all(after[other].score == before[other].score for other in before if other != row.id)


@given(rankings(), st.lists(WEIGHTS, min_size=2, max_size=2), st.integers(1, 6))
def test_a_greater_weight_never_means_less_text(both: Rankings, weights: list[float], k: int) -> None:
    """Among the same candidates, so between 0 and 1 only."""
    low, high = sorted(min(max(weight, 0.01), 0.99) for weight in weights)
    by_words = both[1]
    middle = by_words[len(by_words) // 2].match_score if by_words else 1.0

    def text_in(weight: float) -> float:
        scores = np.array([row.match_score for row in weighted(*both, weight)[:k]])
        return float((scores / (scores + middle)).sum())

    assert text_in(high) >= text_in(low) - 1e-9
