from __future__ import annotations

from typing import Any

import pytest

from lsh_core.builds.records import CORRECTED, FAILED, LOADING, VERIFIED
from lsh_core.live.watermark import SourceWatermark, deletable_position


def record(index: str, *, cover: int = -1, replayed_to: int | None = None, state: str = VERIFIED) -> dict[str, Any]:
    replayed = {} if replayed_to is None else {"replayed_to": replayed_to}
    return {"index": index, "state": state, "cover": {"time": None, "upto": cover}, **replayed}


LIVE = record("live", cover=80, replayed_to=120)


@pytest.mark.parametrize(
    ("others", "upto"),
    [
        ([], 80),
        ([record("old", replayed_to=100)], 80),
        ([record("old", replayed_to=30)], 30),
        ([record("old", cover=60, replayed_to=30)], 60),
        ([record("old")], -1),
        ([record("covered further", cover=90)], 80),
        # One that is not verified yet counts its live changes again: it needs them all.
        ([record("resumable", replayed_to=100, state=FAILED)], -1),
        ([record("corrected", replayed_to=100, state=CORRECTED)], -1),
        ([record("under way", cover=70, state=LOADING)], 70),
        ([{"index": "of an earlier version", "state": VERIFIED}], -1),
    ],
)
def test_no_kept_build_may_miss_what_is_dropped(others: list[dict[str, Any]], upto: int) -> None:
    assert deletable_position([LIVE, *others], "live") == upto
    assert deletable_position([*others, LIVE], "live") == upto


def test_only_the_source_of_the_live_build_covers_anything() -> None:
    records = [record("live", replayed_to=120), record("other", cover=80, replayed_to=120)]
    assert deletable_position(records, "live") == -1
    assert deletable_position(records, None) == -1
    assert SourceWatermark.of(None) == SourceWatermark.of({"cover": None}) == SourceWatermark()
