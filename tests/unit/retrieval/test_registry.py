from __future__ import annotations

import pytest

from lsh_core.errors import SettingsError
from lsh_core.models import model_classes
from lsh_core.models.contract import LSHModel
from lsh_core.models.ivf import IVF
from lsh_core.retrieval.registry import RETRIEVALS, retrieval_of


@pytest.mark.parametrize("model", list(model_classes()), ids=lambda model: model.name)
def test_every_model_names_its_strategy(model: type[LSHModel]) -> None:
    assert retrieval_of(model) is RETRIEVALS[model.retrieval]


def test_a_model_of_an_unknown_strategy_is_refused() -> None:
    class Trees(IVF):
        retrieval = "trees"

    with pytest.raises(SettingsError, match="'trees'; strategies are lists, tables, graph"):
        retrieval_of(Trees)


def test_a_model_that_counts_another_effort_is_refused() -> None:
    class Ranked(IVF):
        retrieval = "tables"

    with pytest.raises(SettingsError, match=r"counts effort in reach, but is searched by tables, .* candidates"):
        retrieval_of(Ranked)
