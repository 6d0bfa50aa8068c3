"""What a source holds, by the plainest reading of its files: the model that an index is compared with.

It shares no code with ``lsh_core``: files in the order of their names, rows in the order of the file, one by one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.fakes.parquet_sources import clustered

MAX_ID_BYTES = 512


@dataclass
class SourceModel:
    """The rows of a source.

    Attributes
    ----------
    ids
        The id of each row by its place, None for a row that no index may hold.
    winners
        The place of the last valid row of each id: what an index must hold, no more and no less.
    """

    dims: int
    ids: list[str | None] = field(default_factory=list)
    vectors: list[list[float] | None] = field(default_factory=list)
    winners: dict[str, int] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """All rows, good or bad."""
        return len(self.ids)

    @property
    def bad(self) -> int:
        """Rows that no index may hold."""
        return sum(identity is None for identity in self.ids)

    @property
    def repeated(self) -> int:
        """Valid rows that a later row of the same id replaces."""
        return self.rows - self.bad - len(self.winners)

    def add(self, identity: Any, vector: Any) -> None:
        """Add the next row of the source."""
        good = (
            identity is not None
            and 0 < len(str(identity).encode()) <= MAX_ID_BYTES
            and vector is not None
            and len(vector) == self.dims
            and all(number is not None and math.isfinite(number) for number in vector)
        )
        if good:
            self.winners[str(identity)] = self.rows
        self.ids.append(str(identity) if good else None)
        self.vectors.append(vector if good else None)


def read_source(folder: Path, dims: int) -> SourceModel:
    """Read all Parquet files of `folder`."""
    model = SourceModel(dims)
    for path in sorted(folder.glob("*.parquet")):
        table = pq.read_table(path, columns=["id", "embedding"])
        for row in table.to_pylist():
            model.add(row["id"], row["embedding"])
    return model


def make_source(folder: Path, *, rows: int, dims: int, seed: int, files: int = 4, bad: int = 7) -> SourceModel:
    """Write `rows` rows into several files and row groups, a tenth of them with the id of another row.

    Repeated ids lie anywhere: in one chunk, across chunks and across files. `bad` rows may not be indexed.
    """
    folder.mkdir(parents=True)
    generator = np.random.default_rng(seed)
    numbers = np.arange(rows)
    again = generator.choice(rows, rows // 10, replace=False)
    numbers[again] = generator.integers(rows, size=len(again))
    generator.shuffle(numbers)
    ids: list[str | None] = [f"id-{number}" for number in numbers]
    vectors: list[list[float] | None] = [vector.tolist() for vector in clustered(rows, dims, seed=seed)]
    for turn, row in enumerate(generator.choice(rows, bad, replace=False).tolist()):
        vector = vectors[row] or []
        ids[row], vectors[row] = [
            (None, vector),
            (ids[row], None),
            ("x" * (MAX_ID_BYTES + 1), vector),
            (ids[row], [float("nan"), *vector[1:]]),
        ][turn % 4]
    shares = np.array_split(np.arange(rows), files)
    for part, share in enumerate(shares):
        start, stop = int(share[0]), int(share[-1]) + 1
        table = pa.table({"id": ids[start:stop], "embedding": pa.array(vectors[start:stop], pa.list_(pa.float32()))})
        pq.write_table(table, folder / f"part-{part}.parquet", row_group_size=(stop - start) // (part + 1) + 1)
    return read_source(folder, dims)
