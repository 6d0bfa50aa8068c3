"""Promises of every built-in model."""

from __future__ import annotations

from lsh_core.models import model_classes
from lsh_core.models.hnsw import HNSW
from lsh_core.models.hyperplane import Hyperplane
from lsh_core.models.ivf import IVF
from lsh_core.models.subspace import Subspace
from lsh_core.testing import ModelConformance, TokenModelConformance


class TestIVF(TokenModelConformance):
    model = IVF
    small = {"lists": 30, "spill": 3}
    large = {"lists": 1200, "spill": 2}


class TestHyperplane(TokenModelConformance):
    model = Hyperplane
    small = {"tables": 12, "bits": 6, "multiprobe": 2}
    large = {"tables": 40, "bits": 18, "multiprobe": 0}
    missing = (("dot", "large"),)  # By product the angles are wider than 18 planes often leave on the same sides.


class TestSubspace(TokenModelConformance):
    model = Subspace
    small = {"parts": 3, "clusters": 5}
    large = {"parts": 5, "clusters": 20}


class TestHNSW(ModelConformance):
    model = HNSW
    small = {"m": 4, "ef_construction": 20}
    large = {"m": 64, "ef_construction": 400}


def test_every_built_in_model_is_tested() -> None:
    tested = {tests.model for tests in (TestIVF, TestHyperplane, TestSubspace, TestHNSW)}
    assert tested == set(model_classes())
