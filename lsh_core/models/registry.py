"""Register of models by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lsh_core.built_in import MODELS
from lsh_core.choices import choice_of
from lsh_core.errors import PluginError, SettingsError
from lsh_core.models.arrays import Array
from lsh_core.models.contract import LSHModel


def model_names() -> tuple[str, ...]:
    """Return the names of all models."""
    return MODELS.names()


def model_class(name: str) -> type[LSHModel]:
    """Return the class of a model.

    Raises
    ------
    SettingsError
        No model has this name; the message lists the known names.
    PluginError
        The package of the model cannot be imported, or its class is not a model.
    """
    found: type[LSHModel] = MODELS.load(name)
    if not issubclass(found, LSHModel):
        raise PluginError(MODELS.group, name, found.__module__, "is not a subclass of lsh_core.models.LSHModel")
    return found


def model_classes() -> Iterator[type[LSHModel]]:
    """Yield the classes of all models; one that cannot be loaded is logged and left out."""
    for _, found in MODELS.load_all():
        if issubclass(found, LSHModel):
            yield found


def make_model(name: str, **params: Any) -> LSHModel:
    """Make an unfitted model.

    An argument of None stands for the default, even if the model lacks the argument.

    Raises
    ------
    SettingsError
        The model is unknown, or lacks an argument.
    """
    known = model_class(name)
    given = {argument: value for argument, value in params.items() if value is not None}
    allowed = {"metric", "seed"} | {knob.name for knob in known.knobs}
    for argument, value in given.items():
        if argument not in allowed:
            knobs = [knob.name for knob in known.knobs]
            raise SettingsError(argument, value, f"is not a knob of {name} models: {choice_of(argument, knobs)}")
    return known(**given)


def load_model(name: str, params: Mapping[str, Any], arrays: Mapping[str, Array]) -> LSHModel:
    """Make a fitted model from its :meth:`LSHModel.state`."""
    return model_class(name).from_state(dict(params), dict(arrays))


def default_sample(name: str, rows: int, dims: int) -> int:
    """Return the number of rows of `dims` components to fit a model on."""
    return model_class(name).default_sample(rows, dims)
