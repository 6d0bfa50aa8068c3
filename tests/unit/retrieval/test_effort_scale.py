from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsh_core.retrieval.effort_scale import EffortScale, Reaches, WholeNumbers


@pytest.mark.parametrize("scale", [WholeNumbers(), Reaches()])
@given(least=st.integers(1, 50), more=st.integers(0, 20_000), step=st.sampled_from([1.5, 2.0]))
def test_efforts_rise_to_the_greatest(scale: EffortScale, least: int, more: int, step: float) -> None:
    found = list(scale.rising(least, least + more, step=step))
    assert (found[0], found[-1]) == (least, least + more)
    assert all(one < other for one, other in pairwise(found))
    assert len(found) <= 40 + math.log(1 + more / least, 1.3)


@given(st.floats(0.3, 90), st.floats(0.001, 30))
def test_between_reaches_and_numbers(low: float, more: float) -> None:
    reaches, numbers = Reaches(), WholeNumbers()
    low, high = reaches.at(low), reaches.at(low + more)
    middle = reaches.between(low, high)
    assert low < middle < high if middle is not None else high - low <= 0.0031
    assert reaches.at(reaches.position(low)) == low
    below, above = int(low) + 1, int(low + 10 * more) + 2
    half = numbers.between(below, above)
    assert below < half < above if half is not None else above <= max(below + 1, 1.03 * below)
    assert numbers.at(numbers.position(above)) == above


@given(st.integers(1, 10_000), st.floats(0.3, 90))
def test_a_step_below_one_is_a_smaller_effort(number: int, reach: float) -> None:
    assert WholeNumbers().next(number, 0.5) < number
    assert WholeNumbers().next(number, 2) > number
    assert Reaches().next(reach, 0.5) < reach < Reaches().next(reach, 2)
