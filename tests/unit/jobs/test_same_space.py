"""Vectors that a model did not learn from: which encoder made them is said before how long they are."""

from __future__ import annotations

from dataclasses import asdict
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from lsh_core.errors import ModelMismatchError
from lsh_core.jobs.stages.check import require_same_space
from lsh_core.settings import IndexSettings
from lsh_core.sources.columns import SourceColumns
from lsh_core.sources.encoder_info import EncoderInfo

SETTINGS = IndexSettings(name="docs", source="docs.parquet")


def encoder(name: str, dims: int) -> EncoderInfo:
    return EncoderInfo(name, name * 64, dims, "cosine", "embedding")


def columns(made_by: EncoderInfo | None, dims: int) -> SourceColumns:
    return SourceColumns("id", "embedding", dims, pa.schema([]), made_by)


def test_another_encoder_is_named_though_its_vectors_have_another_length_too() -> None:
    stored: Any = SimpleNamespace(model_id="m1", dims=4, facts={"encoder": asdict(encoder("a", 4))})
    with pytest.raises(ModelMismatchError, match=r"encoder a a{12} \(model m1\), given those of encoder b b{12}"):
        require_same_space(SETTINGS, columns(encoder("b", 6), 6), stored)
    with pytest.raises(ModelMismatchError, match=r"vectors of 4 numbers \(model m1\), given vectors of 6 numbers"):
        require_same_space(SETTINGS, columns(None, 6), stored)
    require_same_space(SETTINGS, columns(encoder("a", 4), 4), stored)
