"""Features from and to a store that is not this machine's disk: no rename, no paths."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from lsh_core.errors import FeatureLimitError
from lsh_core.features.manifest import read_manifest
from lsh_core.features.output_folder import OutputFolder
from lsh_core.features.report_lines import FeaturesReport
from lsh_core.features.specification import EncoderSpec
from lsh_core.jobs.features import compute_features
from lsh_core.settings import FeaturesSettings
from tests.fakes.encoders import DIMS, SEEN, where_am_i
from tests.fakes.flaky_filesystem import TroubledFileSystem
from tests.integration.test_features import ENCODER, picture


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

    with LocalCluster(2, threads_per_worker=1, processes=False, protocol="tcp", dashboard_address=":0") as cluster:
        yield cluster.scheduler_address


def run(scheduler: str, **settings: Any) -> tuple[FeaturesReport, pa.Table]:
    """Run the job; return its report, and the rows that the manifest names."""
    result = compute_features(FeaturesSettings(output="memory://out/features", **settings), scheduler, trusted=True)
    folder = OutputFolder(settings.get("output", "memory://out/features"))
    manifest = read_manifest(folder)
    assert manifest is not None
    tables = [pq.read_table(pa.BufferReader(folder.read(name) or b"")) for name in manifest.files]
    assert set(folder.files("_airlsh/chunks")) >= set(manifest.files)
    return result, pa.concat_tables([table.replace_schema_metadata() for table in tables])


def contents(store: Any) -> dict[str, bytes]:
    return {name: store.cat_file(name) for name in store.find("/out/features")}


def test_texts_go_from_store_to_store_and_only_changes_are_computed_again(store: Any, scheduler: str) -> None:
    for name in ("a", "b"):
        with store.open(f"/in/{name}.parquet", "wb") as file:
            pq.write_table(pa.table({"id": [f"{name}{row}" for row in range(300)]}), file)
    settings = {"source": "memory://in", "text": "id", "encoder": ENCODER, "chunk_rows": 100}
    result, rows = run(scheduler, **settings)
    assert (result.chunks, result.reused_chunks) == (6, 0)
    assert rows.column("id").to_pylist() == [f"{name}{row}" for name in "ab" for row in range(300)]
    with store.open("/in/b.parquet", "wb") as file:
        pq.write_table(pa.table({"id": [f"c{row}" for row in range(100)]}), file)
    # What an upload that broke off leaves behind on a store that shows it.
    broken = sorted(store.ls("/out/features/_airlsh/chunks", detail=False))[0]
    store.pipe_file(broken, store.cat_file(broken)[:-10])
    result, rows = run(scheduler, **settings)
    assert (result.chunks, rows.num_rows) == (4, 400)
    assert result.reused_chunks in (2, 3), "the broken one was of either file"


def test_the_weights_of_an_encoder_are_written_down_without_their_secrets(store: Any, scheduler: str) -> None:
    with store.open("/in/a.parquet", "wb") as file:
        pq.write_table(pa.table({"id": ["a", "b"]}), file)
    spec = EncoderSpec("where_am_i", weights="https://me:hunter2@host/a.bin?sig=t0psecret", template="{id}")
    settings = {"source": "memory://in", "text": "{id}", "encoder": "tests.fakes.encoders:where_am_i"}
    result, _ = run(scheduler, **settings, weights=spec.weights)
    assert result.fingerprint == where_am_i(spec).fingerprint, "the encoder was not told of the whole URL"
    written = contents(store)
    assert len(written) == 3, "the manifest, the chunk, and the published rows"
    for content in written.values():
        assert b'"weights":"https://host/a.bin"' in content.replace(b" ", b"")
        assert b"hunter2" not in content
        assert b"t0psecret" not in content


def test_images_are_read_from_a_store(store: Any, scheduler: str) -> None:
    for number in range(20):
        store.pipe_file(f"/pictures/{number % 3}/{number:02d}.png", picture(number, "PNG"))
    settings = {"source": "memory://pictures", "encoder": "tests.fakes.encoders:stripes", "chunk_rows": 8}
    result, rows = run(scheduler, **settings)
    assert result.rows_written == 20
    assert rows.column("id").to_pylist() == sorted(f"{number % 3}/{number:02d}.png" for number in range(20))
    means = np.array(rows.column("embedding").to_pylist())
    assert means.shape == (20, DIMS)
    assert means[:, 0].tolist() == [float(name[2:4]) for name in rows.column("id").to_pylist()]
    store.pipe_file("/pictures/1/01.png", picture(200, "PNG"))
    result, rows = run(scheduler, **settings)
    assert result.chunks - result.reused_chunks == 1
    assert rows.filter(pc.equal(rows.column("id"), "1/01.png")).column("embedding")[0].as_py()[0] == 200


class FlakyFileSystem(TroubledFileSystem):
    """Opens every file but those that are `away`."""

    protocol = "flaky"
    away: ClassVar[set[str]] = set()

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(super()._strip_protocol(path.replace("flaky://", "memory://")))

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        if path in self.away:
            raise TimeoutError("no answer")
        return super()._open(path, mode, **options)


def test_images_whose_storage_did_not_answer_are_tried_again(store: Any, scheduler: str) -> None:
    fsspec.register_implementation("flaky", FlakyFileSystem, clobber=True)
    flaky = fsspec.filesystem("flaky")
    for number in range(20):
        flaky.pipe_file(f"/pictures/{number:02d}.png", picture(number, "PNG"))
    FlakyFileSystem.away |= {"/pictures/03.png", "/pictures/04.png"}
    settings = {"source": "flaky://pictures", "encoder": "tests.fakes.encoders:stripes", "chunk_rows": 4}
    result, rows = run(scheduler, **settings, max_dead_letters=2)
    assert (result.rows_written, result.dead_lettered) == (18, 2)
    published = contents(store)
    FlakyFileSystem.away |= {"/pictures/02.png"}
    with pytest.raises(FeatureLimitError):
        run(scheduler, **settings, max_dead_letters=2)
    assert published.items() <= contents(store).items(), "a run that gets less leaves what is published"
    FlakyFileSystem.away.clear()
    result, rows = run(scheduler, **settings)
    assert (result.rows_written, result.dead_lettered) == (20, 0)
    assert 1 <= result.chunks - result.reused_chunks <= 2
    assert rows.column("id").to_pylist() == [f"{number:02d}.png" for number in range(20)]


@pytest.mark.parametrize(("device", "expected"), [("auto", {"gpu"}), ("cpu", {"cpu", "gpu"})])
def test_workers_with_a_gpu_encode_alone_where_there_are_any(tmp_path: Path, device: str, expected: set[str]) -> None:
    from distributed import Scheduler, SpecCluster, Worker

    pq.write_table(pa.table({"id": list(range(400))}), tmp_path / "rows.parquet", row_group_size=20)
    SEEN.clear()
    workers = {
        "cpu": {"cls": Worker, "options": {"nthreads": 1, "dashboard": False}},
        "gpu": {"cls": Worker, "options": {"nthreads": 1, "dashboard": False, "resources": {"GPU": 1}}},
    }
    scheduler = {"cls": Scheduler, "options": {"protocol": "tcp", "host": "127.0.0.1", "dashboard_address": ":0"}}
    settings = {"source": str(tmp_path / "rows.parquet"), "text": "id", "output": str(tmp_path / "out")}
    with SpecCluster(workers, scheduler=scheduler, silence_logs=40) as cluster:
        made = FeaturesSettings(**settings, encoder="tests.fakes.encoders:where_am_i", device=device, chunk_rows=10)
        result = compute_features(made, cluster.scheduler_address, trusted=True)
    assert result.chunks == 40
    assert expected == SEEN
