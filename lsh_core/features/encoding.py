"""Encodes batches, and isolates the rows that make an encoder fail."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from lsh_core.errors import AirlshError, EncoderError
from lsh_core.features.encoder import Batch, Encoder

Reason = tuple[str, str]
Encoded: TypeAlias = "tuple[list[int], npt.NDArray[np.float32], dict[int, Reason]]"

_ENOUGH_TO_BLAME = 8
"""Consecutive failures without a success, after which a distant row shows whether the encoder or the rows fail."""


def encode_rows(encoder: Encoder, batch: Batch) -> Encoded:
    """Encode `batch`; bisect it if the encoder fails, and refuse the failing rows.

    Returns
    -------
    good
        Positions in the batch of the m rows with a vector.
    vectors
        (m, dims) float32, all finite.
    refused
        Kind of error and sentence for each other row.

    Raises
    ------
    AirlshError
        The encoder reports its settings, its device or the whole batch.
    EncoderError
        The encoder fails for the first, middle and last rows, or does not return (n, dims) numbers.
    """
    good: list[int] = []
    parts: list[npt.NDArray[np.float32]] = []
    refused: dict[int, Reason] = {}
    blameless = False
    waiting = [(0, len(batch))]
    while waiting:
        start, stop = waiting.pop()
        try:
            vectors = _encode(encoder, batch[start:stop])
        except (AirlshError, MemoryError):
            raise
        except Exception as error:
            if stop - start > 1:
                half = (start + stop) // 2
                waiting += [(half, stop), (start, half)]
                continue
            refused[start] = ("not_encoded", f"the encoder failed: {type(error).__name__}: {error}")
            if good or blameless or len(refused) < _ENOUGH_TO_BLAME:
                continue
            blameless = any(_can_encode(encoder, batch[row : row + 1]) for row in (len(batch) - 1, len(batch) // 2))
            if not blameless:
                raise EncoderError(encoder.name, f"fails for every row: {type(error).__name__}: {error}") from error
            continue
        finite = np.isfinite(vectors).all(axis=1)
        for place in np.flatnonzero(~finite).tolist():
            count = int((~np.isfinite(vectors[place])).sum())
            refused[start + place] = ("not_finite", f"{count} of the vector's {encoder.dims} numbers are not finite")
        good += (start + np.flatnonzero(finite)).tolist()
        parts.append(vectors[finite])
    vectors = np.concatenate(parts) if parts else np.zeros((0, encoder.dims), np.float32)
    return good, vectors, refused


def _can_encode(encoder: Encoder, batch: Batch) -> bool:
    try:
        _encode(encoder, batch)
    except (AirlshError, MemoryError):
        raise
    except Exception:
        return False
    return True


def _encode(encoder: Encoder, batch: Batch | Sequence[str]) -> npt.NDArray[np.float32]:
    vectors = np.asarray(encoder.encode(batch))
    if vectors.shape != (len(batch), encoder.dims) or vectors.dtype.kind != "f":
        raise EncoderError(
            encoder.name,
            f"returned {vectors.dtype} {vectors.shape} for {len(batch)} rows, not float32 {(len(batch), encoder.dims)}",
        )
    return vectors.astype(np.float32, copy=False)
