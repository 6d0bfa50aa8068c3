"""What the settings of a run say of its encoder holds on every worker."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lsh_core.jobs.features import encoder_spec
from lsh_core.settings import FeaturesSettings


@pytest.mark.parametrize("weights", ["imagenet", "none", "a-preset", "mine.keras", None])
def test_weights_that_are_here_get_their_whole_path_and_words_stay(
    weights: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("imagenet", "none", "mine.keras"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    source: Any = SimpleNamespace(columns=SimpleNamespace(template=None))
    settings = FeaturesSettings(source="in", output="out", encoder="image", weights=weights)
    expected = str(tmp_path / "mine.keras") if weights == "mine.keras" else weights
    assert encoder_spec(settings, source).weights == expected
