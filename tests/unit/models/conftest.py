from __future__ import annotations

import numpy as np
import pytest

from lsh_core.testing import clustered as clustered_vectors


@pytest.fixture(scope="session")
def clustered():
    """Make small vectors with clusters, as real embeddings have."""

    def make(rows: int, dims: int = 16, clusters: int = 20, seed: int = 1) -> np.ndarray:
        return clustered_vectors(rows, dims, clusters, seed).copy()

    return make
