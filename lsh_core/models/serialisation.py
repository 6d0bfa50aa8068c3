"""Converts arrays to bytes, and bytes to parts for documents.

``npy`` without pickle: reading a model runs nothing.
"""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Self

import numpy as np

from lsh_core.errors import ModelMismatchError
from lsh_core.models.arrays import Array

PART_BYTES = 4 * 2**20


class Part(NamedTuple):
    """Part of a longer run of bytes; `sha256` is over `data`, in hexadecimal."""

    number: int
    data: bytes
    sha256: str

    def to_document(self) -> dict[str, str]:
        """Return the stored form; the number is for the caller to store."""
        return {"sha256": self.sha256, "data": base64.b64encode(self.data).decode("ascii")}

    @classmethod
    def from_document(cls, number: int, document: Mapping[str, Any]) -> Self:
        """Read the stored form of part `number`; `join_parts` compares the hash."""
        return cls(number, base64.b64decode(document["data"]), document["sha256"])


def dump_array(array: Array) -> bytes:
    """Return `array` in the ``npy`` format; raise ``ValueError`` for arrays of objects."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def load_array(data: bytes) -> Array:
    """Return the array of `data` from :func:`dump_array`; raise ``ValueError`` for other data or objects."""
    array: Array = np.load(io.BytesIO(data), allow_pickle=False)
    return array


def split_parts(data: bytes, part_bytes: int = PART_BYTES) -> Iterator[Part]:
    """Cut `data` into one or more parts of at most `part_bytes`."""
    for number, start in enumerate(range(0, max(1, len(data)), part_bytes)):
        piece = data[start : start + part_bytes]
        yield Part(number, piece, hashlib.sha256(piece).hexdigest())


def join_parts(parts: Iterable[Part], what: str) -> bytes:
    """Join parts in any order.

    Parameters
    ----------
    what
        Name of the whole in errors.

    Raises
    ------
    ModelMismatchError
        A part is missing, or differs from the stored one.
    """
    ordered = sorted(parts, key=lambda part: part.number)
    for place, part in enumerate(ordered):
        if part.number != place:
            raise ModelMismatchError(f"part {place}", f"part {part.number}", f"stored parts of {what}")
        found = hashlib.sha256(part.data).hexdigest()
        if found != part.sha256:
            raise ModelMismatchError(
                f"sha256 {part.sha256}", f"sha256 {found}", f"part {place} of {what}, as it is stored"
            )
    return b"".join(part.data for part in ordered)
