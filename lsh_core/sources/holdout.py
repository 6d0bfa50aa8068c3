"""Holds rows out of training, so that recall can be measured with unseen vectors.

Rows that a model was fitted on are found more easily than others: over 63,166 text embeddings, all of them in the
sample, searches that find .955 of the neighbours of such rows find .944 of those of new queries.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

ONE_IN = 5
LEAST = 200
"""Where fewer would be held out, none are: a model needs its rows more than its recall needs such queries."""
# Fibonacci hashing (Knuth, The Art of Computer Programming, vol. 3, section 6.4): no regular order of the rows is met.
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_BITS = np.uint64(32)


def are_held_out(places: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Return which of these rows, by their places in the whole source, are held out: one in five."""
    with np.errstate(over="ignore"):
        mixed = (places.astype(np.uint64) * _MULTIPLIER) >> _BITS
    held: npt.NDArray[np.bool_] = mixed % np.uint64(ONE_IN) == 0
    return held


def holds_out(rows: int) -> bool:
    """Return whether any rows of a source of so many are held out."""
    return rows >= ONE_IN * LEAST
