"""Features from and to a store that is not this machine's disk: no rename, no paths."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from lsh_core.features.manifest import read_manifest
from lsh_core.features.output_folder import OutputFolder
from lsh_core.jobs.features import compute_features
from lsh_core.settings import FeaturesSettings
from tests.integration.test_features import ENCODER, picture
from tests.tiny_encoders import DIMS


@pytest.fixture
def store() -> Iterator[Any]:
    """fsspec's filesystem in memory, empty before and after; workers in this process share it."""
    filesystem = fsspec.filesystem("memory")
    filesystem.store.clear()
    filesystem.pseudo_dirs[:] = [""]
    yield filesystem
    filesystem.store.clear()
    filesystem.pseudo_dirs[:] = [""]


@pytest.fixture
def scheduler() -> Iterator[str]:
    from distributed import LocalCluster

    with LocalCluster(2, threads_per_worker=1, processes=False, protocol="tcp", dashboard_address=None) as cluster:
        yield cluster.scheduler_address


def run(scheduler: str, **settings: Any) -> tuple[dict[str, Any], pa.Table]:
    """Run the job; return its report, and the rows that the manifest names."""
    result = compute_features(FeaturesSettings(output="memory://out/features", **settings), scheduler, trusted=True)
    folder = OutputFolder(settings.get("output", "memory://out/features"))
    manifest = read_manifest(folder)
    assert manifest is not None
    tables = [pq.read_table(pa.BufferReader(folder.read(name) or b"")) for name in manifest.files]
    assert set(folder.files("chunks")) == set(manifest.files)
    return result, pa.concat_tables([table.replace_schema_metadata() for table in tables])


def test_texts_go_from_store_to_store_and_only_changes_are_computed_again(store: Any, scheduler: str) -> None:
    for name in ("a", "b"):
        with store.open(f"/in/{name}.parquet", "wb") as file:
            pq.write_table(pa.table({"id": [f"{name}{row}" for row in range(300)]}), file)
    settings = {"source": "memory://in", "text": "id", "encoder": ENCODER, "chunk_rows": 100}
    result, rows = run(scheduler, **settings)
    assert (result["chunks"], result["reused_chunks"]) == (6, 0)
    assert rows.column("id").to_pylist() == [f"{name}{row}" for name in "ab" for row in range(300)]
    with store.open("/in/b.parquet", "wb") as file:
        pq.write_table(pa.table({"id": [f"c{row}" for row in range(100)]}), file)
    # What an upload that broke off leaves behind on a store that shows it.
    broken = sorted(store.ls("/out/features/chunks", detail=False))[0]
    store.pipe_file(broken, store.cat_file(broken)[:-10])
    result, rows = run(scheduler, **settings)
    assert (result["chunks"], rows.num_rows) == (4, 400)
    assert result["reused_chunks"] in (2, 3), "the broken one was of either file"


def test_images_are_read_from_a_store(store: Any, scheduler: str) -> None:
    for number in range(20):
        store.pipe_file(f"/pictures/{number % 3}/{number:02d}.png", picture(number, "PNG"))
    settings = {"source": "memory://pictures", "encoder": "tests.tiny_encoders:stripes", "chunk_rows": 8}
    result, rows = run(scheduler, **settings)
    assert result["rows_written"] == 20
    assert rows.column("id").to_pylist() == sorted(f"{number % 3}/{number:02d}.png" for number in range(20))
    means = np.array(rows.column("embedding").to_pylist())
    assert means.shape == (20, DIMS)
    assert means[:, 0].tolist() == [float(name[2:4]) for name in rows.column("id").to_pylist()]
    store.pipe_file("/pictures/1/01.png", picture(200, "PNG"))
    result, rows = run(scheduler, **settings)
    assert result["chunks"] - result["reused_chunks"] == 1
    assert rows.filter(pc.equal(rows.column("id"), "1/01.png")).column("embedding")[0].as_py()[0] == 200
