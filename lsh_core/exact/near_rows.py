"""Lists the rows of a chunk that may be nearest to fixed queries."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_HEAD = np.dtype("<u4")
_LISTED = np.dtype([("offset", "<u4"), ("measure", "<f8")])


@dataclass(frozen=True)
class NearRows:
    """Rows of one chunk, by query.

    Attributes
    ----------
    cutoffs
        (q,) float64: every row of the chunk with a smaller measure is listed; infinite: all rows are listed.
    queries
        (m,) int64: query of each listed row, ascending.
    offsets
        (m,) int64: listed rows in the chunk, from 0.
    measures
        (m,) float64, as the metric's `measure` returns them.
    """

    cutoffs: npt.NDArray[np.float64]
    queries: npt.NDArray[np.int64]
    offsets: npt.NDArray[np.int64]
    measures: npt.NDArray[np.float64]

    def to_bytes(self) -> bytes:
        """Return the stored form: 12 bytes for each listed row, and 12 for each query."""
        listed = np.empty(len(self.offsets), _LISTED)
        listed["offset"], listed["measure"] = self.offsets, self.measures
        counts = np.bincount(self.queries, minlength=len(self.cutoffs))
        head = np.array([len(self.cutoffs)], _HEAD)
        parts = head, self.cutoffs.astype("<f8"), counts.astype(_HEAD), listed
        return b"".join(part.tobytes() for part in parts)

    @classmethod
    def from_bytes(cls, data: bytes) -> NearRows:
        """Read the stored form that `to_bytes` wrote."""
        size = int(np.frombuffer(data, _HEAD, 1)[0])
        at = _HEAD.itemsize
        cutoffs = np.frombuffer(data, "<f8", size, at).astype(np.float64)
        at += 8 * size
        counts = np.frombuffer(data, _HEAD, size, at)
        listed = np.frombuffer(data, _LISTED, -1, at + _HEAD.itemsize * size)
        queries = np.repeat(np.arange(size), counts)
        return cls(cutoffs, queries, listed["offset"].astype(np.int64), listed["measure"].astype(np.float64))
