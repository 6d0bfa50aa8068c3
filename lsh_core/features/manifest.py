"""Manifest of a folder of features: its files, the encoder that made them, and their source.

``OUTPUT/_airlsh/manifest.json`` is the only file that is ever written over. Everything else is named by its content
(`lsh_core.features.chunk_files`), so two runs into one folder never write different things under one name, and a
reader that goes by the manifest sees one run's features, never parts of two.

The first run of a folder begins with a manifest that says ``incomplete``: whoever reads the folder meanwhile, or after
the run was killed, is told. A later run leaves the complete manifest in place and replaces it as its last step; until
then, and if it fails, readers have what they had.

Two runs at once: the manifest is the last writer's. If both do the same, they write the same. If they differ, the one
that ends last is what the folder is, and the other one's report tells of features that are no longer there.

Nothing is deleted at once. What an earlier manifest named and the new one does not stays for `LEFTOVER_SECONDS`, so
that whoever reads by the earlier one can end: the new manifest says since when it is retired, and a later run deletes
it, as it does what no manifest ever named, left by a run that was killed. A run deletes only while its own manifest is
still in place. A run that lost files in this way, because they were common to it and to a manifest that another one
replaced, sees it when it publishes, before and after, and makes them again: see `lsh_core.features.publishing`. The
moment that is left, between another run's last look at the manifest and its last deletion, ends in a file that is
missing, which a reader is told and the next run makes again; never in vectors of another encoder.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

from lsh_core.errors import SourceError
from lsh_core.features.chunk_files import FORMAT, ChunkRecord
from lsh_core.features.output_folder import OutputFolder
from lsh_core.sources.feature_folders import MANIFEST, OLD_MANIFEST, is_old
from lsh_core.version import __version__

INCOMPLETE = "incomplete"
LEFTOVER_SECONDS = 86_400.0


@dataclass(frozen=True)
class Manifest:
    """One run's features.

    Attributes
    ----------
    state
        "complete", or "incomplete" of a folder whose first run has not ended.
    encoder
        ``name, fingerprint, dims, metric, spec`` of what made the vectors.
    source, id, text, image, vector
        What was encoded, without passwords, and the names of the columns.
    input_fingerprint
        SHA-256 over the files of the source as they were: names, sizes, versions.
    chunks
        The chunks in source order; their files are all there is to read.
    retired
        Files that earlier manifests named and this one does not, and since when that is so.
    """

    state: str
    encoder: dict[str, Any]
    source: str
    id: str
    text: str | None
    image: str | None
    vector: str
    input_fingerprint: str
    chunks: tuple[ChunkRecord, ...] = ()
    retired: dict[str, str] = field(default_factory=dict)
    written_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    version: str = __version__
    format: int = FORMAT

    @property
    def rows_read(self) -> int:
        """Rows of the source."""
        return sum(chunk.rows_read for chunk in self.chunks)

    @property
    def rows_written(self) -> int:
        """Rows that have a vector."""
        return sum(chunk.rows_written for chunk in self.chunks)

    @property
    def dead_lettered(self) -> int:
        """Rows that have none."""
        return sum(chunk.dead_lettered for chunk in self.chunks)

    @property
    def files(self) -> list[str]:
        """Names of the files with the rows, in source order."""
        return [chunk.file for chunk in self.chunks]

    @property
    def all_files(self) -> frozenset[str]:
        """Names of all files of these features, dead letters too."""
        letters = (chunk.dead_letters_file for chunk in self.chunks)
        return frozenset(self.files) | {name for name in letters if name}

    def to_bytes(self) -> bytes:
        """Return the manifest as it is written."""
        document = asdict(self)
        document["chunks"] = [
            {**asdict(chunk), "file": chunk.file, "dead_letters_file": chunk.dead_letters_file} for chunk in self.chunks
        ]
        counts = {name: getattr(self, name) for name in ("rows_read", "rows_written", "dead_lettered")}
        return orjson.dumps({**document, **counts}, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """Read what `to_bytes` wrote; raises ``ValueError``, ``KeyError`` or ``TypeError`` for anything else."""
        document = dict(orjson.loads(data))
        if document.get("format") != FORMAT:
            raise ValueError(f"format {document.get('format')!r}, not {FORMAT}")
        for derived in ("rows_read", "rows_written", "dead_lettered"):
            del document[derived]
        chunks = []
        for chunk in document.pop("chunks"):
            known = {name: value for name, value in chunk.items() if name not in ("file", "dead_letters_file")}
            chunks.append(ChunkRecord(**known))
        return cls(**document, chunks=tuple(chunks))


def read_manifest(folder: OutputFolder) -> Manifest | None:
    """Return the manifest of a folder; None where there is none.

    Raises
    ------
    SourceError
        A file of that name is something else.
    """
    stored = read_stored_manifest(folder)
    return None if stored is None else stored[0]


def read_stored_manifest(folder: OutputFolder) -> tuple[Manifest, bytes] | None:
    """Return the manifest of a folder and its bytes; None where there is none. Raises as `read_manifest` does."""
    data = folder.read(MANIFEST)
    if data is None:
        if (old := folder.read(OLD_MANIFEST)) is not None and is_old(old):
            reason = "is of an earlier airlsh, and other readers would read its files: name another --output"
            raise SourceError(folder.place(OLD_MANIFEST), reason)
        return None
    try:
        return Manifest.from_bytes(data), data
    except (ValueError, KeyError, TypeError) as error:
        reason = f"is no manifest of features that this version of airlsh reads ({error}): name another --output"
        raise SourceError(folder.place(MANIFEST), reason) from error


def input_fingerprint(files: Sequence[Sequence[Any]]) -> str:
    """Return the hash of the name, size and version of each file of a source."""
    # Not by orjson, which takes no names of files that are not UTF-8.
    return hashlib.sha256(json.dumps([list(each) for each in files]).encode()).hexdigest()
