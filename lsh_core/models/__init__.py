"""LSH models: vectors in, tokens out.

Importing this package loads the contract and the registry; a model's module is loaded when the model is used.
"""

from __future__ import annotations

from lsh_core.models.contract import LSHModel, RowCodes
from lsh_core.models.fingerprint import fingerprint
from lsh_core.models.registry import default_sample, load_model, make_model, model_class, model_classes, model_names

__all__ = [
    "LSHModel",
    "RowCodes",
    "default_sample",
    "fingerprint",
    "load_model",
    "make_model",
    "model_class",
    "model_classes",
    "model_names",
]
