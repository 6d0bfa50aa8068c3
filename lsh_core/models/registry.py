"""The models by name."""

from __future__ import annotations

from typing import Any

from lsh_core.errors import SettingsError
from lsh_core.models.arrays import Array
from lsh_core.models.contract import LSHModel
from lsh_core.models.hnsw import HNSW
from lsh_core.models.hyperplane import Hyperplane
from lsh_core.models.ivf import IVF
from lsh_core.models.subspace import Subspace

MODELS: dict[str, type[LSHModel]] = {model.kind: model for model in (IVF, Hyperplane, Subspace, HNSW)}


def model_class(kind: str) -> type[LSHModel]:
    """The class of a kind of model; :class:`SettingsError` for an unknown one."""
    if kind not in MODELS:
        raise SettingsError("model", kind, f"must be one of {', '.join(MODELS)}")
    return MODELS[kind]


def make_model(kind: str, **params: Any) -> LSHModel:
    """Make an unfitted model.

    Arguments that are None mean "the default", whether or not this kind of model knows them.

    Raises
    ------
    SettingsError
        An unknown kind, or an argument that it does not know.
    """
    known = model_class(kind)
    given = {name: value for name, value in params.items() if value is not None}
    for name, value in given.items():
        if name not in known().get_params():
            raise SettingsError(name, value, f"is not a setting of {kind} models")
    return known(**given)


def load_model(kind: str, params: dict[str, Any], arrays: dict[str, Array]) -> LSHModel:
    """Make the fitted model whose :meth:`LSHModel.state` this is."""
    return model_class(kind).from_state(params, arrays)


def default_sample(kind: str, rows: int, dims: int) -> int:
    """How many of `rows` rows of `dims` components to fit a model of this kind on."""
    return model_class(kind).default_sample(rows, dims)
