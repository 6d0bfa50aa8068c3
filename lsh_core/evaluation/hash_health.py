"""Measures how evenly a model's tokens hold the rows of an index. Pure: no I/O."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lsh_core.evaluation.diagnostics import Diagnostic

LISTED = 10
"""Tokens that are named."""
_POINTS = 200
_HOT_MULTIPLE = 8
_HOT_SHARE = 0.01


@dataclass(frozen=True)
class TokenCounts:
    """Rows under each counted token.

    Attributes
    ----------
    rows, tokens_per_row, possible
        Rows of the index, tokens of each of them, and how many different tokens there may be.
    words
        The tokens.
    sizes : (u,) int64
        Rows of each, 1 or more.
    weights : (u,) float64
        How many tokens each stands for; 1 where all were counted.
    sampled_rows
        Rows whose tokens were counted; None: all tokens were.
    """

    rows: int
    tokens_per_row: int
    possible: int
    words: tuple[str, ...]
    sizes: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float64]
    sampled_rows: int | None = None

    @property
    def even_share(self) -> float:
        """Share of the rows that each token held if all held as many."""
        return self.tokens_per_row / self.possible

    @property
    def alone(self) -> float:
        """Share of what is stored that no second row shares: tokens of one row each."""
        entries = self.weights * self.sizes
        return float(entries[self.sizes == 1].sum() / entries.sum()) if entries.size else 0.0


@dataclass(frozen=True)
class TokenShare:
    """One token, the rows that it holds, and their share of all rows."""

    token: str
    rows: int
    share: float


@dataclass(frozen=True)
class HashHealth:
    """The figures of a build's tokens.

    Attributes
    ----------
    possible, used, occupancy
        Tokens that there may be, those that hold a row, and their share.
    entropy
        Of the rows over the tokens (Shannon's), divided by the logarithm of `possible`: 1 where all tokens hold as
        many, 0 where one holds all.
    sizes, size_ranks
        Rows of the tokens at these ranks, of which 1 is the largest; evenly in the logarithm of the rank.
    largest
        The tokens that hold most rows.
    hot
        Those of them that hold at least a hundredth of all rows, and eight times as many as if all held as many.
    touched
        Share of the rows that a search finds under its tokens, unless it is told to do less or more.
    sampled_rows
        Rows whose tokens were counted; None: all tokens were.
    """

    possible: int
    used: int
    occupancy: float
    entropy: float
    sizes: list[int]
    size_ranks: list[int]
    largest: list[TokenShare]
    hot: list[TokenShare]
    touched: float
    sampled_rows: int | None
    warnings: list[Diagnostic]


def weigh_sample(drawn: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64], entries: int) -> npt.NDArray[np.float64]:
    """Return the weights of sampled tokens, which are drawn in proportion to their rows.

    D. Horvitz and D. Thompson, "A generalization of sampling without replacement from a finite universe", JASA 47
    (1952): each is weighed with the inverse of its chance, so that sums over tokens are right on average.

    Parameters
    ----------
    drawn : (u,) int64
        How often each token was drawn.
    sizes : (u,) int64
        Rows of each token.
    entries
        Rows of the index times tokens of each.
    """
    weights: npt.NDArray[np.float64] = drawn * (entries / drawn.sum()) / sizes
    return weights


def assess(counts: TokenCounts, touched: float) -> HashHealth:
    """Return the figures of `counts`, with no warnings yet."""
    used = min(counts.possible, round(float(counts.weights.sum())))
    order = np.argsort(-counts.sizes, kind="stable")
    largest = [
        TokenShare(counts.words[place], size := int(counts.sizes[place]), round(size / counts.rows, 6))
        for place in order[:LISTED].tolist()
    ]
    hot_rows = counts.rows * max(_HOT_SHARE, _HOT_MULTIPLE * counts.even_share)
    ranks, sizes = _rank_sizes(counts.sizes[order], counts.weights[order], used)
    return HashHealth(
        possible=counts.possible,
        used=used,
        occupancy=round(used / counts.possible, 6),
        entropy=round(_entropy(counts), 6),
        sizes=sizes,
        size_ranks=ranks,
        largest=largest,
        hot=[each for each in largest if each.rows >= hot_rows],
        touched=round(touched, 6),
        sampled_rows=counts.sampled_rows,
        warnings=[],
    )


def _entropy(counts: TokenCounts) -> float:
    if counts.possible == 1:
        return 1.0
    entries = float((counts.weights * counts.sizes).sum())
    if not entries:
        return 0.0
    shares = counts.sizes / entries
    entropy = float(-(counts.weights * shares * np.log(shares)).sum())
    return min(1.0, max(0.0, entropy / math.log(counts.possible)))


def _rank_sizes(
    sizes: npt.NDArray[np.int64], weights: npt.NDArray[np.float64], used: int
) -> tuple[list[int], list[int]]:
    """Return some ranks, and the rows of the tokens there; `sizes` come largest first."""
    if not used:
        return [], []
    ranks = np.arange(1, used + 1)
    if used > _POINTS:
        ranks = np.unique(np.round(np.geomspace(1, used, _POINTS)).astype(np.int64))
    # The token of rank r is the one that stands for the place between r - 1 and r, counted from the largest.
    places = np.searchsorted(np.cumsum(weights), ranks - 0.5)
    return ranks.tolist(), sizes[np.minimum(places, len(sizes) - 1)].tolist()
