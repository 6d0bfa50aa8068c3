from __future__ import annotations

import pytest

from lsh_core.errors import SettingsError
from lsh_core.models.ivf import IVF
from lsh_core.models.registry import MODELS
from lsh_core.retrieval.registry import RETRIEVALS, retrieval_of


@pytest.mark.parametrize("kind", MODELS)
def test_every_model_names_its_strategy(kind: str) -> None:
    model = MODELS[kind]
    assert retrieval_of(model) is RETRIEVALS[model.retrieval]


def test_a_model_of_an_unknown_strategy_is_refused() -> None:
    class Trees(IVF):
        retrieval = "trees"

    with pytest.raises(SettingsError, match="'trees'; strategies are lists, tables, graph"):
        retrieval_of(Trees)


def test_a_model_that_counts_another_effort_is_refused() -> None:
    class Ranked(IVF):
        retrieval = "tables"

    with pytest.raises(SettingsError, match=r"counts effort in probes, but is searched by tables, .* candidates"):
        retrieval_of(Ranked)
