"""Loads corrected rows in place of refused rows, and updates ledger and dead letters.

A corrected row goes into the index as if it had been valid from the start: its version is its row number, and its chunk
is the chunk of that row number. So the accounts balance as after a load. A replay that was killed, or is repeated,
gives the same result.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lsh_core.builds.bulk_lines import BulkLineEncoder
from lsh_core.builds.id_hashes import hash_ids
from lsh_core.builds.records import now
from lsh_core.elastic.bulk_requests import requests
from lsh_core.loading.bulk_sender import BulkSender
from lsh_core.loading.chunk_loader import LoadPlan
from lsh_core.loading.dead_letters import expiry
from lsh_core.loading.ledger import LedgerEntry
from lsh_core.models.contract import LSHModel
from lsh_core.partitions import partition_of
from lsh_core.sources.dead_letter import DeadLetter
from lsh_core.sources.row_ipc import pack_row
from lsh_core.sources.validation import ValidRows

ChunkUpdate = Callable[[int, npt.NDArray[np.int64], npt.NDArray[np.uint64]], None]
"""Enters accepted rows of a chunk in the ledger.

Arguments: chunk number, row numbers (m,), hashes of the ids (m, 2).
"""


@dataclass
class Corrected:
    """Outcome of loading corrected rows.

    Attributes
    ----------
    dead_letters
        Dead letters after the replay: replayed, or refused again with a new reason.
    """

    dead_letters: list[DeadLetter] = field(default_factory=list)

    @property
    def replayed(self) -> int:
        """Number of dead letters whose rows need no further replay.

        Such a row is in the index, or lost to a later row or a live change with the same id.
        """
        return sum(dead_letter.replayed_at is not None for dead_letter in self.dead_letters)

    @property
    def refused(self) -> int:
        """Number of dead letters whose rows were refused again."""
        return len(self.dead_letters) - self.replayed


def with_rows(entry: LedgerEntry, row_numbers: npt.NDArray[np.int64], id_hashes: npt.NDArray[np.uint64]) -> LedgerEntry:
    """Return `entry` with newly accepted rows; rows that it already has change nothing."""
    offsets = row_numbers - entry.first_row_number
    fresh = ~np.isin(offsets, entry.offsets)
    all_offsets = np.concatenate((entry.offsets, offsets[fresh]))
    order = np.argsort(all_offsets)
    return replace(
        entry,
        offsets=all_offsets[order],
        id_hashes=np.concatenate((entry.id_hashes, id_hashes[fresh]))[order],
        corrected=np.union1d(entry.corrected, offsets),
        dead_lettered=entry.dead_lettered - int(fresh.sum()),
    )


class CorrectionLoader:
    """Loads corrected rows of one build.

    Parameters
    ----------
    plan
        Load plan of the build; `id_column` and the vector column are those of the corrected rows.
    vector_column
        Vector column of the corrected rows.
    update
        Enters accepted rows in the ledger. Called after the index has acknowledged the rows.
    changed
        Returns the subset of the given ids that belong to live changes.
    partition
        Returns the name of the partition of a source file.
    """

    def __init__(
        self,
        plan: LoadPlan,
        vector_column: str,
        model: LSHModel,
        sender: BulkSender,
        update: ChunkUpdate,
        changed: Callable[[Sequence[str]], Collection[str]],
        partition: Callable[[str], str | None] = partition_of,
    ) -> None:
        self._plan, self._vector_column = plan, vector_column
        self._model, self._sender, self._update, self._changed = model, sender, update, changed
        self._partition = partition
        self._writer = BulkLineEncoder(plan.vector, plan.fields)

    def load(self, table: pa.Table, dead_letters: Mapping[str, Sequence[DeadLetter]]) -> Corrected:
        """Load the rows of `table`; each has a distinct id that occurs in `dead_letters`.

        A row takes the row number of the last dead letter with its id. Earlier dead letters with this id count as
        repeated rows. A row whose id belongs to a live change counts as accepted and is not sent.
        """
        fitted, valid = self._plan.fit_and_validate(table, self._vector_column)
        refused: dict[int, tuple[str | None, str, str]] = {
            row.offset: (row.id, row.error, row.reason) for row in valid.refused
        }
        changed = self._changed(valid.ids)
        by_chunk: defaultdict[int, list[int]] = defaultdict(list)
        for row, id in enumerate(valid.ids):
            if id not in changed:
                by_chunk[_last(dead_letters[id]).chunk].append(row)
        for chunk, rows in by_chunk.items():
            for row, error, reason in self._send(fitted, valid, chunk, rows, dead_letters):
                refused[int(valid.offsets[row])] = (valid.ids[row], error, reason)
        corrected = Corrected()
        self._enter(valid, refused, dead_letters, corrected)
        expires_at = expiry(self._plan.dead_letter_days)
        for offset, (of, error, reason) in refused.items():
            data = pack_row(table, offset)
            corrected.dead_letters += [
                replace(dead_letter, error=error, reason=reason, row_bytes=data, expires_at=expires_at)
                for dead_letter in dead_letters.get(of or "", ())
                if dead_letter.replayed_at is None  # Otherwise an earlier correction of the row stands.
            ]
        return corrected

    def _send(
        self,
        table: pa.Table,
        valid: ValidRows,
        chunk: int,
        rows: list[int],
        dead_letters: Mapping[str, Sequence[DeadLetter]],
    ) -> list[tuple[int, str, str]]:
        """Send rows of `chunk`; return the refused rows with error and reason."""
        vectors = valid.vectors[rows]
        codes = self._plan.vector.strategy.encode(self._model, vectors)
        replaced = [_last(dead_letters[valid.ids[row]]) for row in rows]
        lines = self._writer.rows(
            [valid.ids[row] for row in rows],
            vectors,
            codes.tokens,
            codes.near,
            chunk=chunk,
            row_numbers=np.array([dead_letter.row_number for dead_letter in replaced], np.int64),
            # `take` before `select`: `take` loses the number of rows of a table without columns.
            others=table.take(pa.array(valid.offsets[rows], pa.int64())).select(list(self._plan.fields)),
            partition=self._partition(replaced[0].source),  # All rows of a chunk come from one file.
        )
        home = self._sender.home(chunk)
        refused: list[tuple[int, str, str]] = []
        for part in requests(lines, self._plan.request_bytes):
            report = self._sender.send(home, rows[part], lines[part])
            refused += [(each.offset, each.error, each.reason) for each in report.refusals]
        return refused

    def _enter(
        self,
        valid: ValidRows,
        refused: Mapping[int, object],
        dead_letters: Mapping[str, Sequence[DeadLetter]],
        corrected: Corrected,
    ) -> None:
        """Enter the accepted rows in the ledger, and mark the dead letters."""
        row_numbers: defaultdict[int, list[int]] = defaultdict(list)
        ids: defaultdict[int, list[str]] = defaultdict(list)
        moment = now()
        for offset, id in zip(valid.offsets.tolist(), valid.ids, strict=True):
            if offset in refused:
                continue
            for dead_letter in dead_letters[id]:
                row_numbers[dead_letter.chunk].append(dead_letter.row_number)
                ids[dead_letter.chunk].append(id)
                corrected.dead_letters.append(
                    replace(dead_letter, replayed_at=dead_letter.replayed_at or moment, row_bytes=None)
                )
        for chunk, taken in row_numbers.items():
            self._update(chunk, np.array(taken, np.int64), hash_ids(ids[chunk]))


def _last(dead_letters: Sequence[DeadLetter]) -> DeadLetter:
    return max(dead_letters, key=lambda dead_letter: dead_letter.row_number)
