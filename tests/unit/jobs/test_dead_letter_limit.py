"""A load stops early only when both limits are passed."""

from __future__ import annotations

from typing import Any

import pytest

from lsh_core.errors import StoppedEarlyError
from lsh_core.jobs.stages.dead_letter_limit import DeadLetterLimit
from lsh_core.settings import IndexSettings


def limit(rows: int = 0, dead_lettered: int = 0, **settings: Any) -> DeadLetterLimit:
    return DeadLetterLimit(
        IndexSettings(name="docs", source="a.parquet", **settings),
        "b1",
        rows=rows,
        dead_lettered=dead_lettered,
        examples=lambda: ("a.parquet row 1: nan",),
    )


def test_a_bad_source_is_stopped_with_examples() -> None:
    refusals = limit()
    for _ in range(10):
        refusals.tell(500, 100)
        refusals.check()
    refusals.tell(500, 1)
    with pytest.raises(StoppedEarlyError, match=r"of the first 5500 rows 1001 were refused.*\n  a.parquet") as at:
        refusals.check()
    assert (at.value.dead_lettered, at.value.loaded) == (1_001, 5_500)
    assert str(at.value).endswith("and 1,000 more")
    assert "airlsh dead-letters list docs --build b1" in at.value.__notes__[0]


@pytest.mark.parametrize(
    ("rows", "dead_lettered", "settings"),
    [
        (1_000, 1_000, {}),  # All of them, but not more than a thousand.
        (1_000_000, 10_000, {}),  # Many, but one in a hundred.
        (10_000, 3_000, {"max_dead_letters": 3_000}),
        (10_000, 3_000, {"stop_dead_letter_share": 0.3}),
        (10_000, 3_000, {"stop_dead_letters": 3_000}),
    ],
)
def test_within_one_limit_it_goes_on(rows: int, dead_lettered: int, settings: dict[str, Any]) -> None:
    refusals = limit(**settings)
    refusals.tell(rows, dead_lettered)
    refusals.check()
    refusals.tell(10_000, 10_000)
    with pytest.raises(StoppedEarlyError):
        refusals.check()


def test_what_earlier_tries_refused_counts() -> None:
    with pytest.raises(StoppedEarlyError, match="of the first 2000 rows 1500 were refused"):
        limit(rows=2_000, dead_lettered=1_500).check()
