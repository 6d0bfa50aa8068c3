"""Checks query vectors of callers, and converts them to float32. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lsh_core.errors import ArgumentError, ModelMismatchError, VectorError
from lsh_core.metrics import metric_named
from lsh_core.redaction import quoted
from lsh_core.search.searchable_build import SearchableBuild

Vectors = npt.NDArray[np.float32]


def one_vector(given: Any) -> Vectors:
    """Return one query vector as (1, d) float32.

    Raises
    ------
    ArgumentError
        The value is a text or another object that is not a vector.
    VectorError
        The value is several vectors, or has invalid numbers.
    """
    vectors = _matrix("vector", given)
    if vectors.ndim != 1:
        shape = " x ".join(map(str, vectors.shape))
        many = "search_many(vectors) takes several" if vectors.ndim == 2 else "give a list of numbers"
        raise VectorError(None, f"vector has the shape {shape}: one vector is a list of numbers; {many}")
    return _finite(vectors[np.newaxis])


def many_vectors(given: Any) -> Vectors:
    """Return query vectors as (q, d) float32, also from one vector; raises as `one_vector`."""
    vectors = _matrix("vectors", given)
    if vectors.ndim > 2:
        shape = " x ".join(map(str, vectors.shape))
        raise VectorError(None, f"vectors have the shape {shape}: give one row of numbers for each query")
    return _finite(np.atleast_2d(vectors))


def check_vectors(build: SearchableBuild, vectors: Vectors, numbers: Sequence[int]) -> None:
    """Refuse vectors that cannot be compared with the rows of the build.

    Parameters
    ----------
    numbers
        Number of each vector in errors.

    Raises
    ------
    ModelMismatchError
        The vectors have another length.
    VectorError
        A vector has no direction, or its length overflows float32.
    """
    if vectors.shape[1] != build.field.dims:
        raise ModelMismatchError(
            f"vectors of {build.field.dims} numbers", f"{vectors.shape[1]}", f"index {build.index}"
        )
    with np.errstate(over="ignore", under="ignore"):
        squared = np.einsum("ij,ij->i", vectors, vectors)
    for row in np.flatnonzero(~np.isfinite(squared)).tolist():
        raise VectorError(numbers[row], "is too long: its squared length is not a finite float32")
    metric = metric_named(build.field.metric)
    for row in np.flatnonzero(~metric.usable(squared)).tolist():
        raise VectorError(
            numbers[row], f"is zero, or nearly: index {build.index} compares by {metric.name}, which needs a direction"
        )


def _matrix(name: str, given: Any) -> npt.NDArray[Any]:
    """Return numbers as an array of any shape; raise for other values."""
    if isinstance(given, str | bytes | bytearray | Path):
        kind = "bytes" if isinstance(given, bytes | bytearray) else "a text"
        reason = (
            f"is {kind}, not a list of numbers: search(text=...) searches by a text, search(image=...) by an image, "
            "search(id=...) by the id of a stored row"
        )
        raise ArgumentError(name, given, reason)
    if given is None or isinstance(given, Mapping | set | frozenset):
        raise ArgumentError(name, given, "is not a list of numbers")
    try:
        numbers = np.asarray(given)
    except (TypeError, ValueError, OverflowError) as error:  # Rows of several lengths, or an object that is no array.
        raise VectorError(None, f"{name} cannot be read as numbers of one shape: {error}") from None
    if numbers.ndim == 0:
        raise ArgumentError(name, given, "is not a list of numbers")
    if not numbers.size:
        if numbers.ndim == 2 and not len(numbers):
            return numbers.astype(np.float32)
        raise VectorError(None, f"{name} is empty")
    if numbers.dtype.kind not in "fiu":
        raise VectorError(None, f"{name} must hold numbers only, but has {_stranger(numbers)}")
    return numbers


def _stranger(numbers: npt.NDArray[Any]) -> str:
    """Return the first element that is not a number, and its position."""
    if numbers.dtype.kind != "O":
        kind = {"U": "texts", "S": "bytes", "b": "booleans", "c": "complex numbers", "M": "dates"}
        return kind.get(numbers.dtype.kind, f"elements of type {numbers.dtype.name}")
    for place, each in np.ndenumerate(numbers):
        if isinstance(each, bool) or not isinstance(each, int | float):
            return f"{quoted(each, 40)} ({type(each).__name__}) at {', '.join(map(str, place))}"
    return "numbers that are too large"


def _finite(numbers: npt.NDArray[Any]) -> Vectors:
    with np.errstate(over="ignore"):
        vectors: Vectors = np.ascontiguousarray(numbers, dtype=np.float32)
    finite = np.isfinite(vectors)
    if not finite.all():
        row, place = np.argwhere(~finite)[0].tolist()
        raise VectorError(row, f"has {numbers[row, place]} as number {place}, which is not a finite float32")
    return vectors
