"""Register of retrieval strategies by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lsh_core.errors import SettingsError
from lsh_core.models.contract import LSHModel
from lsh_core.retrieval.contract import Retrieval, VectorColumn
from lsh_core.retrieval.graph import Graph
from lsh_core.retrieval.lists import Lists
from lsh_core.retrieval.tables import Tables

RETRIEVALS: dict[str, type[Retrieval]] = {each.name: each for each in (Lists, Tables, Graph)}


def retrieval_of(model: type[LSHModel]) -> type[Retrieval]:
    """Return the strategy of a model.

    Raises
    ------
    SettingsError
        No such strategy exists, or its unit of effort differs from the model's.
    """
    name = getattr(model, "retrieval", None)
    if name not in RETRIEVALS:
        raise SettingsError("model", model.name, f"names the retrieval strategy {name!r}; {_KNOWN}")
    found = RETRIEVALS[name]
    if model.effort_name != found.effort_unit:
        reason = f"counts effort in {model.effort_name}, but is searched by {name}, whose unit is {found.effort_unit}"
        raise SettingsError("model", model.name, reason)
    return found


def make_retrieval(name: str, column: VectorColumn, parameters: Mapping[str, Any]) -> Retrieval:
    """Return the strategy of a column from its stored name and parameters."""
    return RETRIEVALS[name](column, **parameters)


_KNOWN = f"strategies are {', '.join(RETRIEVALS)}"
