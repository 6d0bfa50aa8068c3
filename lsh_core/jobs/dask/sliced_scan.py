"""Compares queries with the rows of an index on Dask workers, in slices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lsh_core.builds.mapping import VectorField
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.scan import open_view
from lsh_core.evaluation.ground_truth import EVERY_ROW, Hashes, IndexScan, Measures, nearest_in_index, nearest_in_view
from lsh_core.exact.known_neighbours import KnownNeighbours
from lsh_core.jobs.dask.futures import follow_futures
from lsh_core.jobs.services import Services, dask_client, worker_threads
from lsh_core.progress import progress

MIN_ROWS = 200_000
"""Rows from which workers are faster than this process."""
_SLICES_PER_THREAD = 2


def sliced_scan(services: Services) -> IndexScan:
    """Return the scan of large indexes by the Dask workers of `services`.

    Small indexes are read by this process, and all indexes where no scheduler is given.
    """
    return nearest_in_index if services.dask is None else SlicedScan(services)


@dataclass(frozen=True)
class SlicedScan:
    """Scan by Dask workers. Each keeps the nearest rows of its slices, and returns only those.

    Attributes
    ----------
    min_rows
        Rows below which this process reads the index.
    """

    services: Services
    min_rows: int = MIN_ROWS

    def __call__(
        self,
        cluster: Cluster,
        index: str,
        field: VectorField,
        queries: npt.NDArray[np.float32],
        k: int,
        *,
        having: Mapping[str, Any] = EVERY_ROW,
        rows: int = 0,
    ) -> tuple[Measures, Hashes]:
        """See `lsh_core.evaluation.ground_truth.nearest_in_index`."""
        if rows < self.min_rows:
            return nearest_in_index(cluster, index, field, queries, k, having=having, rows=rows)
        best = KnownNeighbours(
            np.empty((len(queries), 0)), np.empty((len(queries), 0, 2), np.uint64), np.full(len(queries), np.inf)
        )
        with dask_client(self.services) as dask, open_view(cluster, index) as view:
            slices = _SLICES_PER_THREAD * worker_threads(dask)[1]
            (sent,) = dask.scatter([queries], broadcast=True, hash=False)
            futures = [
                dask.submit(
                    nearest_in_view, cluster, view, field, sent, k, having=having, part=(number, slices), pure=False
                )
                for number in range(slices)
            ]
            with progress("exact neighbours", unit="slices", total=slices) as meter:
                for future in follow_futures(dask, futures):
                    best = best.with_rows(*future.result()).nearest(k)
                    meter.advance(1)
        return best.measures, best.id_hashes
