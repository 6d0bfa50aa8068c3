"""Dead letter: a row that was refused, by an index run or by a run of features."""

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
        Its file, and its row in the file from 0. An image of an archive is a row of it; an image file has row 0.
    id
        Its id as far as there is one.
    error, reason
        The kind, and a sentence with the figures.
    chunk, row_group, row_number
        Of an index run: its chunk, its row group in the file, its row number in the whole source.
    build, expires_at
        Of an index run: the build, and when the dead letter is purged.
    replayed_at
        When a corrected row took its place in the index.
    row_bytes
        Of an index run: the row as `lsh_core.sources.row_ipc.pack_row` wrote it; None if it is not kept or was not
        asked for.
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
        """Its id among the dead letters of all builds: the same each time that its row is refused."""
        return f"{self.build}:{self.row_number}"

    def to_json(self) -> dict[str, Any]:
        """Return all fields but the row and the time of its replay."""
        document = asdict(self)
        del document["row_bytes"], document["replayed_at"]
        return document

    def shortened(self) -> DeadLetter:
        """Return the dead letter with an id and a reason that are short enough to be stored."""
        return replace(self, id=self.id and self.id[:MAX_ID_CHARACTERS], reason=self.reason[:MAX_REASON_CHARACTERS])

    def __str__(self) -> str:
        return f"{self.source} row {self.row:,}: {self.error}: {self.reason}"
