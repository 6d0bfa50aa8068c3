"""Promises of every built-in model."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest

from lsh_core.models import model_classes
from lsh_core.models.arrays import Float32Array
from lsh_core.models.contract import RowCodes
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
    # By product the angles are wider than 18 planes often leave on the same sides: 0.43, and 0.04 with random tokens.
    min_found: ClassVar = {("dot", "large"): 0.3}


class TestSubspace(TokenModelConformance):
    model = Subspace
    small = {"parts": 3, "clusters": 5}
    large = {"parts": 5, "clusters": 20}


class TestHNSW(ModelConformance):
    model = HNSW
    small = {"m": 4, "ef_construction": 20}
    large = {"m": 64, "ef_construction": 400}


class _OfOtherRows(Hyperplane):
    """A broken model, which gives each row the tokens of another row."""

    def encode(self, vectors: Float32Array, near: int = 0) -> RowCodes:
        codes = super().encode(vectors, near)
        return codes._replace(tokens=np.roll(codes.tokens, 1, axis=0))


@pytest.mark.parametrize("size", ["small", "large"])
@pytest.mark.parametrize("metric", TestHyperplane.metrics)
def test_a_model_with_the_tokens_of_other_rows_finds_too_few_neighbours(metric: str, size: str) -> None:
    tests = type("_TestsOfABrokenModel", (TestHyperplane,), {"model": _OfOtherRows})()
    with pytest.raises(AssertionError):
        tests.test_most_neighbours_are_found((metric, size))


def test_every_built_in_model_is_tested() -> None:
    tested = {tests.model for tests in (TestIVF, TestHyperplane, TestSubspace, TestHNSW)}
    assert tested == set(model_classes())
