"""Register of encoders; a process makes each of them once.

The families are built in. A user's own encoder is a factory, a callable that takes an
:class:`~lsh_core.features.specification.EncoderSpec` and returns an :class:`~lsh_core.features.encoder.Encoder`,
registered by an installed package::

    [project.entry-points."airlsh.encoders"]
    fasttext = "our_package.encoders:make_fasttext"

At the command line of `airlsh features` ``module:factory`` does without a package. Nobody else may say that: it runs
any code there is.
"""

from __future__ import annotations

import gc
import json
import threading
from collections import OrderedDict
from importlib import import_module
from importlib.metadata import entry_points
from typing import cast

from lsh_core.choices import choice_of
from lsh_core.errors import EncoderError, NotFoundError, SettingsError
from lsh_core.features.custom_encoder import Factory, factory_of, made_by, registered
from lsh_core.features.custom_model import is_saved_model
from lsh_core.features.encoder import Encoder
from lsh_core.features.specification import EncoderSpec
from lsh_core.features.weights import state_of_files

ENTRY_POINTS = "airlsh.encoders"
FAMILIES = {
    "text": "lsh_core.features.text:make_text_encoder",
    "image": "lsh_core.features.image:make_image_encoder",
    "clip": "lsh_core.features.clip:make_clip_encoder",
}
_TRUSTED_ALONE = "is for `airlsh features` at the command line alone"
MAX_KEPT = 2
"""Encoders that a process keeps: two jobs on one worker do not take turns in making theirs."""

_kept: OrderedDict[str, Encoder] = OrderedDict()
# One that is made may ask for another: a user's encoder that stands on a built-in one.
_lock = threading.RLock()


def encoder_names() -> tuple[str, ...]:
    """Return the families, and the encoders that installed packages have registered."""
    return (*FAMILIES, *sorted(set(entry_points(group=ENTRY_POINTS).names) - set(FAMILIES)))


def make_encoder(spec: EncoderSpec, *, trusted: bool) -> Encoder:
    """Make an encoder; it takes seconds, as TensorFlow and the weights are loaded.

    Parameters
    ----------
    spec
        Which one.
    trusted
        Whether the person who wrote `spec` may run any code here: at the command line of `airlsh features`, and nowhere
        else.

    Raises
    ------
    NotFoundError
        No encoder of this name.
    SettingsError
        "module:factory" or a SavedModel from where it is not allowed, or a setting that the encoder cannot take.
    EncoderError
        It cannot be made: weights that are missing, a package that is not installed, a factory that failed or that made
        what no encoder can be.
    """
    if spec.encoder not in FAMILIES:
        return made_by(_factory(spec.encoder, trusted), spec)
    if not trusted and spec.weights is not None and spec.encoder == "image" and is_saved_model(spec.weights):
        reason = f"a SavedModel can hold any operation, and {_TRUSTED_ALONE}; save the model as .keras"
        raise SettingsError("weights", spec.weights, reason)
    module, _, factory = FAMILIES[spec.encoder].partition(":")
    try:
        return cast("Factory", getattr(import_module(module), factory))(spec)
    except ModuleNotFoundError as error:
        raise EncoderError(
            spec.encoder, f"{error.name} is not installed; the built-in encoders need the extra airlsh[features]"
        ) from error


def worker_encoder(spec: EncoderSpec, *, trusted: bool = False) -> Encoder:
    """Return the encoder of this process, made when it is first asked for.

    Threads that ask meanwhile wait for it. It is made anew when files of its weights were written since.
    """
    key = json.dumps([spec.to_json(), state_of_files(spec.weights), trusted], sort_keys=True)
    with _lock:
        if key not in _kept:
            _make_room()  # Before it is made: both at once might be more than the memory holds.
            made = make_encoder(spec, trusted=trusted)
            _make_room()
            _kept[key] = made
        _kept.move_to_end(key)
        return _kept[key]


def _make_room() -> None:
    while len(_kept) >= MAX_KEPT:
        _kept.popitem(last=False)
        gc.collect()  # An encoder and its traced function hold each other, and 100 MB and more.


def forget_encoders() -> None:
    """Let go of the encoders of this process, and of their memory."""
    with _lock:
        _kept.clear()
        gc.collect()


def _factory(name: str, trusted: bool) -> Factory:
    for entry in entry_points(group=ENTRY_POINTS):
        if entry.name == name:
            return registered(entry)
    if ":" not in name:
        raise NotFoundError("encoder", name, choice_of(name, encoder_names()))
    if not trusted:
        raise SettingsError("encoder", name, f"module:factory {_TRUSTED_ALONE}; register an entry point")
    return factory_of(name)
