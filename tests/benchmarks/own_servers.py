"""What the benchmarks on real servers share: the servers, and queries that are not in the index."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lsh_core.elastic.connection import Connection
from lsh_core.jobs.services import Services
from lsh_core.local.cluster import ElasticsearchCluster
from lsh_core.local.dask_cluster import DaskCluster

QUERIES = 500


@contextlib.contextmanager
def own_servers(es: str | None = None, dask: str | None = None) -> Iterator[tuple[Services, Path]]:
    """Start one node and two workers, unless others are named, and a folder that goes with them."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="airlsh-bench-")))
        urls = es or ",".join(stack.enter_context(ElasticsearchCluster(nodes=1, folder=folder)).urls)
        address = dask or stack.enter_context(DaskCluster(workers=2, folder=folder)).address
        yield Services(Connection.from_urls(urls), address), folder


def held_out(table: pa.Table, count: int = QUERIES) -> tuple[npt.NDArray[np.float32], pa.Table]:
    """Return the vectors of `count` rows, always the same of the same table, and the table without them."""
    apart = np.zeros(len(table), bool)
    apart[np.random.default_rng(0).choice(len(table), count, replace=False)] = True
    return vectors_of(table.filter(pa.array(apart))), table.filter(pa.array(~apart))


def vectors_of(table: pa.Table) -> npt.NDArray[np.float32]:
    """Return the embeddings, (n, d)."""
    column = table["embedding"].combine_chunks()
    return column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), -1).astype(np.float32)
