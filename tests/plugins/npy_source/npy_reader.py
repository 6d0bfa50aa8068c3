"""A kind of source that airlsh does not know: a matrix in NAME.npy, and the ids of its rows in NAME.ids.npy.

It is registered by the entry point in the dist-info folder beside this file. Nothing else is needed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lsh_core.errors import SourceError
from lsh_core.sources.listing import Listed, open_filesystem
from lsh_core.sources.reader import Contents
from lsh_core.sources.source_file import Chunk, SourceFile

IDS = ".ids.npy"
ROW_GROUP = 50_000
"""Any row can be read alone. Row groups only tell where a worker may begin."""


class NpyReader:
    """Reads the rows of a matrix as columns ``id`` and ``embedding``, as many at a time as a chunk has."""

    name = "npy"
    has_columns = True

    def claims(self, url: str) -> bool:
        """Return whether it is a matrix; the ids beside it are no file of the source."""
        return url.endswith(".npy") and not url.endswith(IDS)

    def files_beside(self, url: str) -> tuple[str, ...]:
        """Return the file with the ids."""
        return (url.removesuffix(".npy") + IDS,)

    def contents(self, file: Listed) -> Contents:
        """Return the columns and rows that the two headers tell."""
        vectors, ids = self._arrays(file.url)
        rows, dims = vectors.shape
        types: dict[str, pa.DataType] = {
            "id": pa.int64() if ids.type.kind == "i" else pa.string(),
            "embedding": pa.list_(pa.from_numpy_dtype(vectors.type.newbyteorder("=")), dims),
        }
        groups = (*[ROW_GROUP] * (rows // ROW_GROUP), rows % ROW_GROUP)
        return Contents(pa.schema(types), tuple(group for group in groups if group))

    def read(self, file: SourceFile, chunks: Sequence[Chunk], columns: Sequence[str]) -> Iterator[pa.Table]:
        """Read each chunk as one table."""
        vectors, ids = self._arrays(file.url)
        for chunk in chunks:
            table: dict[str, Any] = {}
            if "id" in columns:
                table["id"] = pa.array(ids.rows(chunk.start, chunk.stop))
            if "embedding" in columns:
                numbers = vectors.rows(chunk.start, chunk.stop)
                table["embedding"] = pa.FixedSizeListArray.from_arrays(pa.array(numbers.ravel()), numbers.shape[1])
            yield pa.table(table)

    def _arrays(self, url: str) -> tuple[_Array, _Array]:
        vectors, (beside,) = _Array.of(url), self.files_beside(url)
        ids = _Array.of(beside)
        if len(vectors.shape) != 2 or vectors.type.kind not in "fi":
            raise SourceError(url, f"holds {vectors}; a matrix of numbers is wanted, (rows, dims)")
        if len(ids.shape) != 1 or ids.type.kind not in "Ui":
            raise SourceError(beside, f"holds {ids}; a vector of texts or integers is wanted, (rows,)")
        if ids.shape[0] != vectors.shape[0]:
            raise SourceError(beside, f"has {ids.shape[0]:,} ids, but {url} has {vectors.shape[0]:,} rows")
        return vectors, ids


@dataclass(frozen=True)
class _Array:
    """Where the numbers of a ``.npy`` file lie: its header, without its rows."""

    url: str
    shape: tuple[int, ...]
    type: np.dtype[Any]
    offset: int

    @classmethod
    def of(cls, url: str) -> _Array:
        filesystem, path = open_filesystem(url)
        with filesystem.open(path, "rb") as file:
            try:
                version = np.lib.format.read_magic(file)
                header = (
                    np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
                )
                shape, in_columns, type_ = header(file)
            except ValueError as error:
                raise SourceError(url, f"is not a .npy file: {error}") from error
            if in_columns and len(shape) > 1:
                raise SourceError(url, "is stored by columns; write it by rows, with numpy.ascontiguousarray")
            return cls(url, shape, type_, file.tell())

    def rows(self, start: int, stop: int) -> npt.NDArray[Any]:
        """Read rows [`start`, `stop`), and no others."""
        filesystem, path = open_filesystem(self.url)
        width = self.type.itemsize * math.prod(self.shape[1:])
        data = filesystem.cat_file(path, start=self.offset + start * width, end=self.offset + stop * width)
        if len(data) != (stop - start) * width:
            raise SourceError(self.url, f"is truncated: rows {start:,} to {stop - 1:,} are not there; copy it again")
        rows = np.frombuffer(data, self.type).reshape(stop - start, *self.shape[1:])
        return rows.astype(self.type.newbyteorder("="), copy=False)

    def __str__(self) -> str:
        return f"{self.type} {self.shape}"
