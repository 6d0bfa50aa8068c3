"""Validates rows, and refuses those that cannot be indexed, with reasons.

A row with several faults is refused for the first in this order: id (null, empty, too long), vector (null, empty, wrong
length, null elements), numbers (NaN, infinite), length of the vector (overflow, zero), the other columns (texts that
are not UTF-8, dates out of range, values that their type does not hold).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lsh_core.metrics import metric_named
from lsh_core.sources.arrays import Column, Flags
from lsh_core.sources.identifiers import read_identifiers
from lsh_core.sources.nested_faults import Reason
from lsh_core.sources.texts import text_faults
from lsh_core.sources.times import time_faults
from lsh_core.sources.vectors import ListArray, Numbers, as_list_array, list_shape, matrix


@dataclass(frozen=True)
class RefusedRow:
    """A row that is not indexed.

    Attributes
    ----------
    offset
        Row in the chunk, from 0.
    id
        Its id, cut to 512 characters; None or empty where it has none.
    error
        Kind of error: ``null_id``, ``empty_id``, ``id_too_long``, ``id_not_utf8``, ``null_vector``, ``id_not_whole``,
        ``empty_vector``, ``wrong_length``, ``null_element``, ``nan``, ``infinite``, ``overflow``, ``zero_vector``,
        ``text_not_utf8``, ``date_out_of_range`` or ``value_not_exact``.
    reason
        A sentence with the figures.
    """

    offset: int
    id: str | None
    error: str
    reason: str


@dataclass(frozen=True)
class ValidRows:
    """Valid rows of a chunk in source order, and the refused rows.

    Attributes
    ----------
    offsets
        (m,) int64: rows in the chunk, from 0.
    ids
        m texts.
    vectors
        (m, d) float32, C-contiguous; may be a read-only view of the table.
    refused
        The other rows, in source order.
    """

    offsets: npt.NDArray[np.int64]
    ids: list[str]
    vectors: npt.NDArray[np.float32]
    refused: list[RefusedRow]


def validate_rows(
    table: pa.Table,
    *,
    id: str,
    vector: str,
    dims: int,
    metric: str,
    misfits: Mapping[int, Reason] | None = None,
) -> ValidRows:
    """Separate the valid rows of a table from the refused ones.

    Parameters
    ----------
    table
        n rows with the columns `id` (strings, integers or decimals) and `vector` (lists of numbers), and others, all of
        plain types.
    dims
        Components that each vector must have.
    metric
        Name of the metric. A metric that needs a direction, such as ``cosine``, refuses zero rows, and rows whose
        squared length is below the smallest normal float32.
    misfits
        Rows with an inexact value, from `lsh_core.sources.fitting.Fitted.reasons`.
    """
    identifiers = read_identifiers(table.column(id))
    bad_values = _value_faults(table.drop_columns([id, vector]), misfits or {})
    offsets, vectors, bad_vectors = valid_vectors(table.column(vector), dims=dims, metric=metric)
    refused = {**bad_values, **bad_vectors, **identifiers.refused}
    if bad_values or identifiers.refused:
        good = ~np.isin(offsets, list(refused))
        offsets, vectors = offsets[good], vectors[good]
    ids = identifiers.ids
    return ValidRows(
        offsets,
        [text for row, text in enumerate(ids) if row not in refused] if refused else ids,  # type: ignore[misc,arg-type]
        vectors,
        [RefusedRow(row, ids[row], *refused[row]) for row in sorted(refused)],
    )


def _value_faults(others: pa.Table, misfits: Mapping[int, Reason]) -> dict[int, Reason]:
    faults: dict[int, Reason] = {}
    for name, column in zip(others.column_names, others.columns, strict=True):
        for row, fault in text_faults(column).items():
            faults.setdefault(row, ("text_not_utf8", f"column {name!r} holds a text that is not UTF-8: {fault}"))
        for row, fault in time_faults(column).items():
            faults.setdefault(row, ("date_out_of_range", f"column {name!r} {fault}"))
    for row, reason in misfits.items():
        faults.setdefault(row, reason)
    return faults


def valid_vectors(
    column: Column, *, dims: int, metric: str
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32], dict[int, Reason]]:
    """Return the offsets (m,) and vectors (m, d) of valid rows, and other rows' reasons."""
    array = as_list_array(column)
    refused = _structure_faults(array, dims)
    offsets = np.arange(len(array), dtype=np.int64)
    if refused:
        good = np.ones(len(array), bool)
        good[list(refused)] = False
        offsets = offsets[good]
        array = array.filter(pa.array(good))
    numbers = matrix(array, dims)
    with np.errstate(over="ignore"):
        vectors = numbers.astype(np.float32, copy=False)
    faults = _number_faults(numbers, vectors, metric)
    if faults:
        good = np.ones(len(vectors), bool)
        good[list(faults)] = False
        refused.update((int(offsets[row]), reason) for row, reason in faults.items())
        offsets, vectors = offsets[good], vectors[good]
    return offsets, vectors, refused


def _structure_faults(array: ListArray, dims: int) -> dict[int, Reason]:
    shape = list_shape(array)
    bad = np.flatnonzero(shape.is_null | (shape.lengths != dims) | (shape.null_elements > 0))
    faults: dict[int, Reason] = {}
    for row in bad.tolist():
        length, nulls = int(shape.lengths[row]), int(shape.null_elements[row])
        if shape.is_null[row]:
            faults[row] = ("null_vector", "the vector is null")
        elif length == 0:
            faults[row] = ("empty_vector", f"the vector is empty, {dims} numbers are wanted")
        elif length != dims:
            faults[row] = ("wrong_length", f"the vector has {length} numbers, {dims} are wanted")
        else:
            faults[row] = ("null_element", f"{nulls} of the vector's {dims} numbers are null")
    return faults


def _number_faults(numbers: Numbers, vectors: npt.NDArray[np.float32], metric: str) -> dict[int, Reason]:
    """Find faulty rows by their squared length: it is finite and not tiny only if all numbers are valid."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        squared = np.einsum("ij,ij->i", vectors, vectors)
    bad = ~np.isfinite(squared)
    bad |= ~metric_named(metric).usable(squared)
    return {row: _why_bad(numbers[row], vectors[row], metric) for row in np.flatnonzero(bad).tolist()}


def _why_bad(numbers: Numbers, vector: npt.NDArray[np.float32], metric: str) -> Reason:
    dims = len(numbers)
    not_numbers = np.isnan(numbers)
    if not_numbers.any():
        count, first = not_numbers.sum(), _first(not_numbers)
        return "nan", f"{count} of the vector's {dims} numbers are NaN, the first is number {first}"
    infinite = np.isinf(vector)
    if infinite.any():
        first = _first(infinite)
        value = numbers[first]
        shown = "infinite" if np.isinf(value) else f"beyond float32 ({value:g})"
        return "infinite", f"{infinite.sum()} of the vector's {dims} numbers are not finite, number {first} is {shown}"
    largest = float(np.abs(vector).max())
    if largest > 1:
        return "overflow", f"the vector's squared length is not a finite float32, its largest number is {largest:g}"
    if largest == 0:
        beginning = "as float32 all" if numbers.any() else "all"
        return "zero_vector", f"{beginning} {dims} numbers of the vector are zero, {metric} needs a direction"
    return "zero_vector", f"the vector is too short for {metric}, its largest number is {largest:g}"


def _first(flags: Flags) -> int:
    return int(np.argmax(flags))
