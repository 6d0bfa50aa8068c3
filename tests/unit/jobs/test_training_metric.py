"""What a model is trained for: what the encoder of its vectors says, unless somebody asks for something else."""

from __future__ import annotations

import logging

import pytest

from lsh_core.errors import SettingsError
from lsh_core.jobs.train import with_metric
from lsh_core.settings import TrainSettings
from lsh_core.sources.encoder_info import EncoderInfo

SETTINGS = TrainSettings(name="docs", source="docs.parquet")


def encoder(metric: str) -> EncoderInfo:
    return EncoderInfo("ours", "ab" * 32, 8, metric, "embedding")


def asked(metric: str) -> TrainSettings:
    return TrainSettings(name="docs", source="docs.parquet", metric=metric)  # type: ignore[arg-type]


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    monkeypatch.setattr(logging.getLogger("lsh_core"), "propagate", True)  # The command line turns it off.
    return caplog


def test_it_is_that_of_the_encoder_where_none_is_asked_for(said: pytest.LogCaptureFixture) -> None:
    assert with_metric(SETTINGS, encoder("dot")).metric == "dot"
    assert with_metric(SETTINGS, None).metric == "cosine"
    assert with_metric(asked("dot"), encoder("dot")).metric == "dot"
    assert with_metric(asked("l2"), None).metric == "l2"
    assert not said.records


def test_another_one_is_taken_and_both_are_named(said: pytest.LogCaptureFixture) -> None:
    assert with_metric(asked("l2"), encoder("dot")).metric == "l2"
    (record,) = said.records
    assert record.levelname == "WARNING"
    expected = "encoder ours abababababab are made for the metric dot; the settings train the model for l2"
    assert expected in record.getMessage()


def test_one_that_there_is_not_is_refused() -> None:
    with pytest.raises(SettingsError, match="metric='manhattan': must be one of l2, cosine, dot"):
        with_metric(SETTINGS, encoder("manhattan"))
