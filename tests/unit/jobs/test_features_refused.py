"""What `compute_features` refuses before it looks for a worker, and what it says of workers that write elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lsh_core.errors import FeaturesError, SettingsError, SourceError
from lsh_core.features.chunk_files import ChunkRecord
from lsh_core.features.feature_source import open_source
from lsh_core.features.output_folder import OutputFolder
from lsh_core.jobs.dask.feature_task import Finished, WorkerEncoder
from lsh_core.jobs.dask.feature_workers import FeatureWorkers
from lsh_core.jobs.feature_run import FeatureRun
from lsh_core.jobs.features import compute_features
from lsh_core.settings import FeaturesSettings
from lsh_core.sources.encoder_info import EncoderDescription
from lsh_core.sources.source_file import Span

NOBODY = "tcp://127.0.0.1:9"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "src").mkdir()
    (tmp_path / "linked").symlink_to("src")
    (tmp_path / "another-disk").mkdir()
    (tmp_path / "src" / "elsewhere").symlink_to(tmp_path / "another-disk")
    pq.write_table(pa.table({"id": ["a"], "text": ["x"]}), tmp_path / "src" / "a.parquet")
    return tmp_path / "src"


def settings(source: Path, output: Path) -> FeaturesSettings:
    return FeaturesSettings(source=str(source), text="text", encoder="text", output=str(output))


@pytest.mark.parametrize(
    ("named", "output", "said"),
    [
        ("src", "src/out", "lies in the source"),
        ("src", "linked/out", "lies in the source"),
        ("linked", "src/out", "lies in the source"),
        ("src", "src", "lies in the source"),
        ("linked/a.parquet", "src", "has files of the source"),
        ("src/*.parquet", "linked", "has files of the source"),
        ("src", "src/..", "has files of the source"),
        ("src", "src/elsewhere/out", "lies in the source"),
    ],
)
def test_output_and_source_are_apart(source: Path, named: str, output: str, said: str) -> None:
    with pytest.raises(SettingsError, match=f"{said} .*name a folder apart from it"):
        compute_features(settings(source.parent / named, source.parent / output), NOBODY)


def test_a_manifest_of_something_else_is_seen_before_anything_starts(source: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "_airlsh").mkdir()
    (tmp_path / "out" / "_airlsh" / "manifest.json").write_text('{"name": "an app"}')
    with pytest.raises(SourceError, match=r"manifest\.json: is no manifest of features .*: name another --output"):
        compute_features(settings(source, tmp_path / "out"), NOBODY)


class _Elsewhere:
    """Workers that write, but not where this process looks."""

    threads = 1

    def describe_encoder(self) -> WorkerEncoder:
        return WorkerEncoder(EncoderDescription("tiny", "f" * 64, 2, "cosine"), ("text",))

    def encode(self, spans: Iterable[Span], *_: object) -> Iterator[Finished]:
        for span in spans:
            for chunk in span.chunks:
                yield Finished(ChunkRecord(chunk.key, span.file.url, chunk.start, chunk.stop, 1, 1, 0, bytes=9), {})


def test_workers_that_write_elsewhere_are_told_of(source: Path, tmp_path: Path) -> None:
    given = settings(source, tmp_path / "out")
    workers = cast("FeatureWorkers", _Elsewhere())
    run = FeatureRun(given, open_source(given), OutputFolder(given.output), workers)
    with pytest.raises(FeaturesError, match="Do this machine and all workers share the folder"):
        run.compute()
