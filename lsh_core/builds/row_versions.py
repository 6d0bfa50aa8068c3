"""Versions of documents: they decide which row or change of an id an index keeps.

The server refuses a write whose version is lower than that of the document (``external_gte``). So the highest version
wins, in any order of arrival:

- The version of a loaded row is its row number: of the rows with one id, the last in source order wins.
- The version of a live change is `LIVE_VERSION` plus its position in the journal: it wins over every loaded row, and
  the later of two changes wins.

`lsh_core.builds.bulk_lines` writes these versions. `lsh_core.loading.expected_contents` computes the winners from the
ledger, without the server.
"""

from __future__ import annotations

LIVE_VERSION = 2**62
"""First version of live changes, above every row number."""


def version_of_change(position: int) -> int:
    """Return the version of the live change at a position in the journal."""
    return LIVE_VERSION + position


def position_of_version(version: int) -> int:
    """Return the position in the journal of the live change with this version."""
    return version - LIVE_VERSION
