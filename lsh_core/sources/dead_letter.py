"""A row that an index run or a features run refused."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

MAX_REASON_CHARACTERS = 1_000
MAX_ID_CHARACTERS = 600


@dataclass(frozen=True, kw_only=True)
class DeadLetter:
    """One refused row.

    Attributes
    ----------
    source, row
        Its file, and its row in the file, from 0. Each image of an archive is a row; an image file has row 0.
    id
        Its id, empty or cut where it has no usable id.
    error, reason
        The kind of error, and a sentence with the figures.
    chunk, row_group, row_number
        Index runs: its chunk, its row group in the file, its row number in the whole source.
    build, expires_at
        Index runs: the build, and when the dead letter is purged.
    replayed_at
        When a corrected row was indexed.
    row_bytes
        Index runs: the row as `lsh_core.sources.row_ipc.pack_row` wrote it; None if it was not kept or not requested.
    """

    source: str
    row: int
    id: str | None
    error: str
    reason: str
    build: str = ""
    chunk: int = 0
    row_group: int = 0
    row_number: int = 0
    expires_at: str | None = None
    replayed_at: str | None = None
    row_bytes: bytes | None = field(default=None, repr=False)

    @property
    def key(self) -> str:
        """Id among the dead letters of all builds; equal each time its row is refused."""
        return f"{self.build}:{self.row_number}"

    def to_json(self) -> dict[str, Any]:
        """Return all fields but the row and the time of its replay."""
        document = asdict(self)
        del document["row_bytes"], document["replayed_at"]
        return document

    def shortened(self) -> DeadLetter:
        """Return the dead letter with its id and reason cut for storage."""
        return replace(self, id=self.id and self.id[:MAX_ID_CHARACTERS], reason=self.reason[:MAX_REASON_CHARACTERS])

    def __str__(self) -> str:
        return f"{self.source} row {self.row:,}: {self.error}: {self.reason}"
