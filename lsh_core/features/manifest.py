"""Manifest of a folder of features: its files, encoder and source.

``OUTPUT/_airlsh/manifest.json`` is the only file that is ever replaced. All other files are named by their content
(`lsh_core.features.chunk_files`). So two runs into one folder never write different content under one name, and a
reader of the manifest sees the features of one run, never parts of two.

The first run of a folder begins with an ``incomplete`` manifest: readers get an error until the run completes, and also
after it was killed. A later run replaces the complete manifest as its last step; until then, and if it fails, readers
have the earlier features.

If two runs write one folder, the last manifest stays. Equal runs write equal files. If the runs differ, the folder
holds the features of the run that ends last, and the report of the other run describes features that are gone.

Nothing is deleted at once. Files that only an earlier manifest named are retired: they stay for `LEFTOVER_SECONDS`, so
that readers of the earlier manifest can finish. The new manifest records the time of retirement. A later run deletes
retired files, and files of killed runs that no manifest ever named. A run deletes only while its own manifest is in
place.

A run may lose files that it shares with a replaced manifest. It checks for such files before and after it publishes,
and makes them again: see `lsh_core.features.publishing`. One race remains, between another run's last check of the
manifest and its last deletion. It ends in a missing file, which readers report and the next run makes again; it never
ends in vectors of another encoder.
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
from lsh_core.sources.encoder_info import EncoderDescription
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
        "complete", or "incomplete" until the first run of the folder ends.
    encoder
        Description of the encoder.
    source, id, text, image, vector
        Encoded source, without passwords, and names of its columns.
    input_fingerprint
        SHA-256 over names, sizes and versions of the source's files.
    chunks
        Chunks in source order; readers read their files and no others.
    retired
        Files that only earlier manifests named, with the time of their retirement.
    """

    state: str
    encoder: EncoderDescription
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
        """Rows without a vector."""
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
        """Return the manifest as JSON."""
        document = asdict(self)
        document["chunks"] = [
            {**asdict(chunk), "file": chunk.file, "dead_letters_file": chunk.dead_letters_file} for chunk in self.chunks
        ]
        counts = {name: getattr(self, name) for name in ("rows_read", "rows_written", "dead_lettered")}
        return orjson.dumps({**document, **counts}, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """Read the output of `to_bytes`; raise ``ValueError``, ``KeyError`` or ``TypeError`` for other bytes."""
        document = dict(orjson.loads(data))
        if document.get("format") != FORMAT:
            raise ValueError(f"format {document.get('format')!r}, not {FORMAT}")
        for derived in ("rows_read", "rows_written", "dead_lettered"):
            del document[derived]
        chunks = []
        for chunk in document.pop("chunks"):
            known = {name: value for name, value in chunk.items() if name not in ("file", "dead_letters_file")}
            chunks.append(ChunkRecord(**known))
        encoder = EncoderDescription(**document.pop("encoder"))
        return cls(**document, encoder=encoder, chunks=tuple(chunks))


def read_manifest(folder: OutputFolder) -> Manifest | None:
    """Return the manifest of a folder, or None.

    Raises
    ------
    SourceError
        The file of that name is not a manifest.
    """
    stored = read_stored_manifest(folder)
    return None if stored is None else stored[0]


def read_stored_manifest(folder: OutputFolder) -> tuple[Manifest, bytes] | None:
    """Return the manifest of a folder and its bytes, or None; raises as `read_manifest`."""
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
    # orjson is not used: it refuses file names that are not UTF-8.
    return hashlib.sha256(json.dumps([list(each) for each in files]).encode()).hexdigest()
