from __future__ import annotations

import pytest

from lsh_core.builds.journal_position import BEFORE_ALL, JournalPosition, SourceWatermark
from lsh_core.builds.records import BuildRecord, BuildState
from lsh_core.live.watermark import deletable_position, watermark_of


def record(
    index: str, *, watermark: int = -1, replayed_to: int = -1, state: BuildState = BuildState.VERIFIED
) -> BuildRecord:
    return BuildRecord(
        name="docs",
        build=index,
        index=index,
        state=state,
        model_id="m",
        started_at="",
        updated_at="",
        watermark=SourceWatermark(None, JournalPosition(watermark)),
        replayed_to=JournalPosition(replayed_to),
    )


LIVE = record("live", watermark=80, replayed_to=120)


@pytest.mark.parametrize(
    ("others", "position"),
    [
        ([], 80),
        ([record("old", replayed_to=100)], 80),
        ([record("old", replayed_to=30)], 30),
        ([record("old", watermark=60, replayed_to=30)], 60),
        ([record("old")], -1),
        ([record("covered further", watermark=90)], 80),
        # One that is not verified yet counts its live changes again: it needs them all.
        ([record("resumable", replayed_to=100, state=BuildState.FAILED)], -1),
        ([record("corrected", replayed_to=100, state=BuildState.CORRECTED)], -1),
        ([record("under way", watermark=70, state=BuildState.LOADING)], 70),
    ],
)
def test_no_kept_build_may_miss_what_is_dropped(others: list[BuildRecord], position: int) -> None:
    assert deletable_position([LIVE, *others], "live") == position
    assert deletable_position([*others, LIVE], "live") == position


def test_only_the_source_of_the_live_build_covers_anything() -> None:
    records = [record("live", replayed_to=120), record("other", watermark=80, replayed_to=120)]
    assert deletable_position(records, "live") == -1
    assert deletable_position(records, None) == -1
    assert watermark_of(records, None) == watermark_of([], "live") == SourceWatermark(None, BEFORE_ALL)
