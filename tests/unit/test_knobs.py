"""Values that a knob allows."""

from __future__ import annotations

import pytest

from lsh_core.errors import SettingsError
from lsh_core.knobs import Knob

LISTS = Knob("lists", "number of lists", minimum=1, maximum=9, default="from rows")
SHARE = Knob("share", "share of the rows", type=float, minimum=0)
WAY = Knob("way", "way of it", type=str, choices={"a": "a: first", "b": "b: second"})


@pytest.mark.parametrize(("knob", "value"), [(LISTS, 1), (LISTS, 9), (SHARE, 0.5), (SHARE, 2), (WAY, "b")])
def test_allowed(knob: Knob, value: object) -> None:
    knob.check(value)


@pytest.mark.parametrize(
    ("knob", "value", "reason"),
    [
        (LISTS, 0, "lists=0: must be from 1 to 9"),
        (LISTS, 10, "lists=10: must be from 1 to 9"),
        (LISTS, 2.5, "lists=2.5: must be a whole number from 1 to 9"),
        (LISTS, True, "lists=True: must be a whole number from 1 to 9"),
        (SHARE, -1, "share=-1: must be at least 0"),
        (SHARE, "much", "share='much': must be at least 0"),
        (WAY, "c", "way='c': must be one of a, b"),
        (Knob("note", "note", type=str), 3, "note=3: must be a text"),
    ],
)
def test_refused(knob: Knob, value: object, reason: str) -> None:
    with pytest.raises(SettingsError) as raised:
        knob.check(value)
    assert str(raised.value) == reason


def test_the_nearest_allowed_value() -> None:
    assert [LISTS.nearest(value) for value in (-3, 4, 12)] == [1, 4, 9]
    assert SHARE.nearest(7) == 7


def test_the_description_has_the_default() -> None:
    assert (LISTS.description, SHARE.description) == ("number of lists; default: from rows", "share of the rows")
