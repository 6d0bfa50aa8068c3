"""Computes the fingerprint of a model: a hash of everything that decides tokens."""

from __future__ import annotations

import hashlib
import json

import numpy as np

from lsh_core.models.contract import LSHModel

_DECIDES = ("model", "params", "dims", "learned", "backend", "dtype")


def fingerprint(model: LSHModel) -> str:
    """Return the SHA-256, in hexadecimal, over a fitted model's settings, backend and arrays.

    Versions of libraries are recorded beside the model, but left out here: two versions that learn the same arrays make
    the same model.
    """
    document, arrays = model.state()
    digest = hashlib.sha256(_canonical({name: document[name] for name in _DECIDES}))
    for name in sorted(arrays):
        array = arrays[name]
        little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        digest.update(_canonical([name, little.dtype.str, list(little.shape)]))
        digest.update(little.data)
    return digest.hexdigest()


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
