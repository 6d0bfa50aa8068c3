"""Tests for authors of models; pytest must be installed.

>>> from lsh_core.models.hnsw import HNSW
>>> from lsh_core.testing import ModelConformance
>>> class TestHNSW(ModelConformance):
...     model = HNSW
...     small = {"m": 4, "ef_construction": 20}
...     large = {"m": 64, "ef_construction": 400}
"""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("lsh_core.testing.model_conformance")

from lsh_core.testing.model_conformance import ModelConformance, TokenModelConformance, clustered  # noqa: E402

__all__ = ["ModelConformance", "TokenModelConformance", "clustered"]
