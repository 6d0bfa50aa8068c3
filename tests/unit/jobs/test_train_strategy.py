from __future__ import annotations

import pytest

from lsh_core.errors import SettingsError
from lsh_core.jobs.train import train
from lsh_core.models.ivf import IVF
from lsh_core.settings import TrainSettings


def test_a_model_of_an_unknown_strategy_is_refused_before_the_source_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(IVF, "retrieval", "trees")
    with pytest.raises(SettingsError, match="retrieval strategy 'trees'"):
        train(TrainSettings(name="docs", source="/nowhere"), None)  # type: ignore[arg-type]
