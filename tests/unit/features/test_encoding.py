"""A row that an encoder chokes on does not take its batch with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from lsh_core.errors import EncoderError
from lsh_core.features.encoding import encode_rows
from lsh_core.features.specification import EncoderSpec
from tests.fakes.encoders import DIMS, TinyEncoder, broken, letters

SPEC = EncoderSpec("letters")


def test_rows_that_fail_are_told_and_the_others_are_what_they_would_be_alone() -> None:
    texts = ["choke", *(f"text {number}" for number in range(40)), "infinite", "the last", "choke"]
    good, vectors, refused = encode_rows(letters(SPEC), texts)
    assert good == [*range(1, 41), 42]
    assert {row: reason[0] for row, reason in refused.items()} == {
        0: "not_encoded",
        41: "not_finite",
        43: "not_encoded",
    }
    assert refused[0][1] == "the encoder failed: ValueError: a fish bone"
    assert refused[41][1] == f"{DIMS} of the vector's {DIMS} numbers are not finite"
    assert np.array_equal(vectors, letters(SPEC).encode([texts[row] for row in good]))


def test_an_encoder_that_fails_for_every_row_is_to_blame() -> None:
    with pytest.raises(EncoderError, match="broken: fails for every row: RuntimeError: out of order"):
        encode_rows(broken(SPEC), ["a text"] * 40)


@pytest.mark.parametrize("bad", [range(20), [*range(20), 39], [*range(20), 20], [*range(20), *range(21, 40)]])
def test_bad_rows_at_the_start_are_not_the_encoders_fault(bad: Sequence[int]) -> None:
    good, vectors, refused = encode_rows(letters(SPEC), ["choke" if row in bad else "a text" for row in range(40)])
    assert good == [row for row in range(40) if row not in bad]
    assert len(vectors) == len(good)
    assert sorted(refused) == sorted(bad)


@pytest.mark.parametrize("answer", [np.zeros((2, DIMS)), np.zeros((3, 1)), np.zeros((3, DIMS), int), [1.0]])
def test_an_answer_of_another_shape_is_an_error(answer: Any) -> None:
    class Odd(TinyEncoder):
        def encode(self, batch: Any) -> Any:
            return answer

    with pytest.raises(EncoderError, match="for 3 rows, not float32"):
        encode_rows(Odd("odd", SPEC, frozenset({"text"})), ["a", "b", "c"])


def test_float64_becomes_float32() -> None:
    class Wide(TinyEncoder):
        def encode(self, batch: Any) -> Any:
            return np.ones((len(batch), DIMS), np.float64)

    _, vectors, _ = encode_rows(Wide("wide", SPEC, frozenset({"text"})), ["a"])
    assert vectors.dtype == np.float32
