"""The last step of a run: its manifest takes the place of what was there, and what nobody reads any more is deleted."""

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
    """Write an incomplete manifest into a folder that holds no features yet; return the manifest that is there.

    Raises
    ------
    SourceError
        The folder's manifest is something else, or nothing can be written.
    """
    found = read_manifest(folder)
    if found is None:
        folder.create(MANIFEST, manifest.to_bytes())
    return found


def missing_chunks(folder: OutputFolder, manifest: Manifest) -> list[ChunkRecord]:
    """Return the chunks of `manifest` whose rows or dead letters are not what it says.

    Another run has deleted them, or has written the same chunk in other bytes, as not every GPU rounds alike.
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
    """Make `manifest` what the folder holds; return it with the files that its place in the folder retires."""
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
    """Show to readers of plain Parquet what the manifest names, and nothing else: its rows, and its dead letters.

    Repeated, a bounded number of times, until the manifest is still the same after it, as another run may have replaced
    it: then that run shows what it wrote, too. Nothing is shown of a
    chunk that is gone meanwhile: whoever publishes makes it again.
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
    """Delete what no manifest has named for `LEFTOVER_SECONDS`; return how many files.

    Nothing is deleted if the folder's manifest is not `manifest` any more: its writer will do it.
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
