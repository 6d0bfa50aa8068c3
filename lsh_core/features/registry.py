"""Register of encoders; a process makes each encoder once.

The families are built in. A custom encoder is a factory: a callable that takes an
:class:`~lsh_core.features.specification.EncoderSpec` and returns an :class:`~lsh_core.features.encoder.Encoder`,
registered by an installed package::

    [project.entry-points."airlsh.encoders"]
    fasttext = "our_package.encoders:make_fasttext"

On the command line of `airlsh features`, ``module:factory`` works without a package. It is refused everywhere else, as
it runs arbitrary code.
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
"""Encoders that a process keeps, so that two jobs on one worker do not evict each other's encoder."""

_kept: OrderedDict[str, Encoder] = OrderedDict()
# Reentrant: a custom encoder may make a built-in one.
_lock = threading.RLock()


def encoder_names() -> tuple[str, ...]:
    """Return the families, and the encoders that installed packages have registered."""
    return (*FAMILIES, *sorted(set(entry_points(group=ENTRY_POINTS).names) - set(FAMILIES)))


def make_encoder(spec: EncoderSpec, *, trusted: bool) -> Encoder:
    """Make an encoder, which takes seconds: TensorFlow and the weights are loaded.

    Parameters
    ----------
    spec
        Specification of the encoder.
    trusted
        Whether the author of `spec` may run arbitrary code: only on the command line of `airlsh features`.

    Raises
    ------
    NotFoundError
        No encoder has this name.
    SettingsError
        "module:factory" or a SavedModel is not allowed here, or the encoder refuses a setting.
    EncoderError
        The encoder cannot be made: weights are missing, a package is not installed, or its factory failed or made an
        invalid encoder.
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
    """Return the encoder of this process, made on first use.

    Other threads wait meanwhile. The encoder is made again if the files of its weights changed.
    """
    key = json.dumps([spec.to_json(), state_of_files(spec.weights), trusted], sort_keys=True)
    with _lock:
        if key not in _kept:
            _make_room()  # Evict first: both encoders at once may exceed the memory.
            made = make_encoder(spec, trusted=trusted)
            _make_room()
            _kept[key] = made
        _kept.move_to_end(key)
        return _kept[key]


def _make_room() -> None:
    while len(_kept) >= MAX_KEPT:
        _kept.popitem(last=False)
        gc.collect()  # An encoder and its traced function reference each other, and hold 100 MB and more.


def forget_encoders() -> None:
    """Release the encoders of this process and their memory."""
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
