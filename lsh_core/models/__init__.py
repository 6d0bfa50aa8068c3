"""LSH models: vectors in, tokens out."""

from __future__ import annotations

from lsh_core.models.contract import LSHModel, RowCodes
from lsh_core.models.fingerprint import fingerprint
from lsh_core.models.hnsw import HNSW
from lsh_core.models.hyperplane import Hyperplane
from lsh_core.models.ivf import IVF
from lsh_core.models.registry import MODELS, default_sample, load_model, make_model
from lsh_core.models.subspace import Subspace

__all__ = [
    "HNSW",
    "IVF",
    "MODELS",
    "Hyperplane",
    "LSHModel",
    "RowCodes",
    "Subspace",
    "default_sample",
    "fingerprint",
    "load_model",
    "make_model",
]
