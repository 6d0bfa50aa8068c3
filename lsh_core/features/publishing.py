"""Publishes the manifest of a run, and deletes retired files."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from lsh_core.features.chunk_files import ChunkRecord
from lsh_core.features.manifest import LEFTOVER_SECONDS, Manifest, read_manifest, read_stored_manifest
from lsh_core.features.output_folder import OutputFolder
from lsh_core.features.shown_files import show_files
from lsh_core.sources.feature_folders import CHUNKS, COMPLETE, DEAD_LETTERS, MANIFEST, REFUSED, ROWS

logger = logging.getLogger(__name__)

_TRIES = 20


def begin(folder: OutputFolder, manifest: Manifest) -> Manifest | None:
    """Write an incomplete manifest into an empty folder; return the folder's manifest.

    Raises
    ------
    SourceError
        The manifest file is not a manifest, or the folder is not writable.
    """
    found = read_manifest(folder)
    if found is None:
        folder.create(MANIFEST, manifest.to_bytes())
    return found


def missing_chunks(folder: OutputFolder, manifest: Manifest) -> list[ChunkRecord]:
    """Return the chunks of `manifest` whose files are missing or differ.

    Another run may have deleted them, or written the same chunk with other bytes, as GPUs round differently.
    """
    rows, letters = folder.files(CHUNKS), folder.files(REFUSED)
    return [
        chunk
        for chunk in manifest.chunks
        if chunk.file not in rows
        or rows[chunk.file].size != chunk.bytes
        or (chunk.dead_letters_file is not None and chunk.dead_letters_file not in letters)
    ]


def publish(folder: OutputFolder, manifest: Manifest) -> Manifest:
    """Publish `manifest` in the folder; return it with the files that it retires."""
    if manifest.state != COMPLETE:
        raise ValueError(f"the manifest is {manifest.state}")
    replaced = read_manifest(folder)
    if replaced is not None:
        named = dict.fromkeys(replaced.all_files, manifest.written_at) | replaced.retired
        there = folder.files(CHUNKS).keys() | folder.files(REFUSED).keys()
        left = there - manifest.all_files
        retired = {name: since for name, since in sorted(named.items()) if name in left}
        manifest = replace(manifest, retired=retired)
    folder.write(MANIFEST, manifest.to_bytes())
    show(folder)
    return manifest


def show(folder: OutputFolder) -> None:
    """Show the rows and dead letters of the manifest to readers of plain Parquet.

    Another run may replace the manifest meanwhile, so this is repeated, a bounded number of times, until the manifest
    is unchanged afterwards. A chunk that is gone meanwhile is not shown; the publishing run makes it again.
    """
    for _ in range(_TRIES):
        stored = read_stored_manifest(folder)
        if stored is None:
            return
        manifest, data = stored
        rows = {f"{chunk.name}.parquet": chunk.file for chunk in manifest.chunks}
        letters = {f"{chunk.name}.pq": chunk.dead_letters_file for chunk in manifest.chunks if chunk.dead_letters_file}
        with suppress(FileNotFoundError):
            show_files(folder, ROWS, rows)
            show_files(folder, DEAD_LETTERS, letters)
        if folder.read(MANIFEST) == data:
            return
    logger.warning("features: other runs replaced the manifest %d times; the last of them shows its rows", _TRIES)


def delete_unnamed(folder: OutputFolder, manifest: Manifest) -> int:
    """Delete files that no manifest has named for `LEFTOVER_SECONDS`; return their number.

    If another run has replaced `manifest`, nothing is deleted; that run will do it.
    """
    long_ago = datetime.now(UTC) - timedelta(seconds=LEFTOVER_SECONDS)
    known = manifest.all_files | manifest.retired.keys()
    unnamed = {name for name, since in manifest.retired.items() if datetime.fromisoformat(since) < long_ago}
    for part in (CHUNKS, REFUSED):
        for name, file in (folder.files(part) | folder.files(part, hidden=True)).items():
            if name not in known and file.written_at is not None and file.written_at < long_ago:
                unnamed.add(name)
    if not unnamed or folder.read(MANIFEST) != manifest.to_bytes():
        return 0
    folder.delete(sorted(unnamed))
    logger.info("features: deleted %d files that no manifest names", len(unnamed))
    return len(unnamed)
