"""Versions of loaded rows and of live changes."""

from __future__ import annotations

from lsh_core.builds.journal_position import JournalPosition
from lsh_core.builds.row_versions import position_of_version, version_of_change

MAX_VERSION = 2**63 - 1
"""Highest version that the server accepts."""


def test_a_live_change_wins_over_every_row_and_the_later_change_over_the_earlier() -> None:
    most_rows = 2**53
    versions = [version_of_change(JournalPosition(position)) for position in (0, 1, most_rows)]
    assert versions == sorted(set(versions))
    assert most_rows < versions[0]
    assert versions[-1] <= MAX_VERSION
    assert [position_of_version(version) for version in versions] == [0, 1, most_rows]
