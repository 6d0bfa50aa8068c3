"""Known nearest rows of queries, and the measure below which no row is missing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class KnownNeighbours:
    """Nearest known rows of each query, nearest first.

    Attributes
    ----------
    measures
        (q, c) float64, as the metric's `measure` returns them; infinite in unused places.
    id_hashes
        (q, c, 2) uint64: 128-bit hashes of the rows' ids.
    limits
        (q,) float64: every row with a smaller measure is among the known rows; -infinite: any row may be missing.
    """

    measures: npt.NDArray[np.float64]
    id_hashes: npt.NDArray[np.uint64]
    limits: npt.NDArray[np.float64]

    def first(self, queries: int) -> KnownNeighbours:
        """Return the neighbours of the first `queries` queries."""
        return KnownNeighbours(self.measures[:queries], self.id_hashes[:queries], self.limits[:queries])

    def nearest(self, k: int) -> KnownNeighbours:
        """Return the `k` nearest known rows of each query; rows that are left out are no longer known."""
        left_out = self.measures[:, k : k + 1].min(axis=1, initial=np.inf)
        return KnownNeighbours(self.measures[:, :k], self.id_hashes[:, :k], np.minimum(self.limits, left_out))

    def with_rows(self, measures: npt.NDArray[np.float64], id_hashes: npt.NDArray[np.uint64]) -> KnownNeighbours:
        """Add other rows: the m nearest to each query.

        The first m neighbours of the result are right, although the more distant of the other rows are missing.

        Parameters
        ----------
        measures, id_hashes
            (q, m) float64 and (q, m, 2) uint64.
        """
        both = np.concatenate((self.measures, measures), axis=1)
        hashes = np.concatenate((self.id_hashes, id_hashes), axis=1)
        order = np.argsort(both, axis=1, kind="stable")
        return KnownNeighbours(
            np.take_along_axis(both, order, axis=1), np.take_along_axis(hashes, order[..., None], axis=1), self.limits
        )

    def are_certain(self, k: int) -> npt.NDArray[np.bool_]:
        """Return for each query whether its `k` nearest rows are known, (q,).

        A row at the same distance as the last of them may be missing: either is right.
        """
        if self.measures.shape[1] < k:
            return np.zeros(len(self.measures), np.bool_)
        last = self.measures[:, k - 1]
        certain: npt.NDArray[np.bool_] = np.isfinite(last) & (last <= self.limits)
        return certain
