"""What `compute_features` refuses before it looks for a worker."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lsh_core.errors import SettingsError, SourceError
from lsh_core.jobs.features import compute_features
from lsh_core.settings import FeaturesSettings

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
    (tmp_path / "out" / "manifest.json").write_text('{"name": "an app"}')
    with pytest.raises(SourceError, match=r"manifest\.json: is no manifest of features .*: name another --output"):
        compute_features(settings(source, tmp_path / "out"), NOBODY)
