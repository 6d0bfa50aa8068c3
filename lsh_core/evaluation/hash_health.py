"""Measures how evenly rows spread over a model's tokens. Pure: no I/O."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lsh_core.evaluation.diagnostics import Diagnostic

LISTED = 10
"""Number of tokens that reports name."""
_POINTS = 200
_HOT_MULTIPLE = 8
_HOT_SHARE = 0.01


@dataclass(frozen=True)
class TokenCounts:
    """Rows under each counted token.

    Attributes
    ----------
    rows, tokens_per_row, possible
        Rows of the index, tokens of a row, and possible tokens.
    words
        Counted tokens.
    sizes : (u,) int64
        Rows of each token, 1 or more.
    weights : (u,) float64
        Number of tokens that each represents; 1 if all were counted.
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
        """Share of the rows per token under an even spread."""
        return self.tokens_per_row / self.possible

    @property
    def alone(self) -> float:
        """Share of stored tokens that occur in one row only."""
        entries = self.weights * self.sizes
        return float(entries[self.sizes == 1].sum() / entries.sum()) if entries.size else 0.0


@dataclass(frozen=True)
class TokenShare:
    """One token, its rows, and their share of all rows."""

    token: str
    rows: int
    share: float


@dataclass(frozen=True)
class HashHealth:
    """Figures of a build's tokens.

    Attributes
    ----------
    possible, used, occupancy
        Possible tokens, tokens with rows, and their share.
    entropy
        Shannon entropy of the rows over the tokens, divided by the logarithm of `possible`: 1 for an even spread, 0 if
        one token holds all rows.
    sizes, size_ranks
        Rows of the tokens at some ranks, evenly spaced in the logarithm; rank 1 is the largest.
    largest
        Tokens with the most rows.
    hot
        Largest tokens with at least a hundredth of all rows, and eight times their even share.
    touched
        Share of the rows that share a token with a query of default effort.
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
    """Return the weights of sampled tokens, drawn in proportion to their rows.

    D. Horvitz and D. Thompson, "A generalization of sampling without replacement from a finite universe", JASA 47
    (1952): each token is weighted by the inverse of its probability, so that sums over tokens are unbiased.

    Parameters
    ----------
    drawn : (u,) int64
        Number of draws of each token.
    sizes : (u,) int64
        Rows of each token.
    entries
        Rows of the index times tokens of a row.
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
    """Return some ranks, and the rows of their tokens; `sizes` are sorted, largest first."""
    if not used:
        return [], []
    ranks = np.arange(1, used + 1)
    if used > _POINTS:
        ranks = np.unique(np.round(np.geomspace(1, used, _POINTS)).astype(np.int64))
    # The token of rank r represents the interval from r - 1 to r, counted from the largest.
    places = np.searchsorted(np.cumsum(weights), ranks - 0.5)
    return ranks.tolist(), sizes[np.minimum(places, len(sizes) - 1)].tolist()
