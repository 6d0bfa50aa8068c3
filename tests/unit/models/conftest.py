from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture(scope="session")
def clustered():
    """Make small vectors with clusters, as real embeddings have."""

    def make(rows: int, dims: int = 16, clusters: int = 20, seed: int = 1) -> np.ndarray:
        generator = np.random.default_rng(seed)
        centres = generator.standard_normal((clusters, dims)) * 3
        chosen = centres[generator.integers(clusters, size=rows)]
        return (chosen + generator.standard_normal((rows, dims))).astype(np.float32)

    return make
