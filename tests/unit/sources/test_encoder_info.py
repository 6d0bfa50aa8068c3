"""The encoder that files name, and files that name different ones."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lsh_core.errors import ModelMismatchError, SourceError
from lsh_core.sources.columns import check_columns
from lsh_core.sources.dataset import open_dataset
from lsh_core.sources.encoder_info import METADATA_KEY, EncoderInfo

ENCODER = EncoderInfo(
    "text", "ab" * 32, 2, "cosine", "embedding", {"weights": "minilm", "options": {"template": "{id}"}}
)


def write(path: Path, encoder: EncoderInfo | None, metadata: dict[bytes, bytes] | None = None) -> None:
    vectors = pa.FixedSizeListArray.from_arrays(pa.array([1.0, 0.0, 0.0, 1.0], pa.float32()), 2)
    table = pa.table({"id": ["a", "b"], "embedding": vectors, "other": vectors})
    pq.write_table(table.replace_schema_metadata(metadata or (encoder.to_metadata() if encoder else None)), path)


def test_files_keep_what_made_their_vectors(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", ENCODER)
    write(tmp_path / "b.parquet", ENCODER)
    dataset = open_dataset(str(tmp_path))
    assert dataset.encoder == ENCODER
    assert dataset.schema.metadata is None
    assert check_columns(dataset, id="id", vector="embedding", columns=()).encoder == ENCODER
    assert check_columns(dataset, id="id", vector="other", columns=()).encoder is None


@pytest.mark.parametrize("other", [None, EncoderInfo("text", "cd" * 32, 2, "cosine", "embedding")])
def test_vectors_of_two_encoders_are_not_one_source(tmp_path: Path, other: EncoderInfo | None) -> None:
    write(tmp_path / "a.parquet", ENCODER)
    write(tmp_path / "b.parquet", other)
    with pytest.raises(ModelMismatchError, match=r"expected encoder text abababababab, given .*") as raised:
        open_dataset(str(tmp_path))
    assert "b.parquet" in raised.value.where
    assert ("cdcdcdcdcdcd" if other else "no encoder") in raised.value.found


def test_a_source_may_name_none(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", None)
    assert open_dataset(str(tmp_path)).encoder is None


@pytest.mark.parametrize("written", [b"", b"{", b"[]", b'{"name": 1}'])
def test_what_cannot_be_read_is_refused(tmp_path: Path, written: bytes) -> None:
    write(tmp_path / "a.parquet", None, {METADATA_KEY: written})
    with pytest.raises(SourceError, match="which encoder"):
        open_dataset(str(tmp_path))
