"""Run of `compute_features`: finds finished chunks, encodes the others, publishes the manifest.

The manifest is written as the last step.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from lsh_core.errors import EncoderError, FeatureLimitError, FeaturesError, ImagesAwayError
from lsh_core.features.chunk_files import ChunkRecord, chunk_file, read_dead_letters, read_record
from lsh_core.features.feature_source import FeatureSource
from lsh_core.features.manifest import INCOMPLETE, Manifest, input_fingerprint
from lsh_core.features.output_folder import OutputFolder
from lsh_core.features.publishing import begin, delete_unnamed, missing_chunks, publish
from lsh_core.jobs.dask.feature_workers import FeatureWorkers
from lsh_core.redaction import redact
from lsh_core.settings import FeaturesSettings
from lsh_core.sources.encoder_info import EncoderDescription
from lsh_core.sources.feature_folders import CHUNKS, COMPLETE
from lsh_core.sources.source_file import Chunk

logger = logging.getLogger(__name__)

_LOOKING_THREADS = 16
_EXAMPLES = 10
_TRIES_TO_PUBLISH = 3


class FeatureRun:
    """Completes an output folder with the features of `source`.

    Attributes
    ----------
    found
        Keys of the chunks that existed when the run began.
    work_seconds
        Seconds of all workers, by step.
    """

    def __init__(
        self, settings: FeaturesSettings, source: FeatureSource, folder: OutputFolder, workers: FeatureWorkers
    ) -> None:
        self._settings, self._source, self._folder, self._workers = settings, source, folder, workers
        self._records: dict[str, ChunkRecord] = {}
        self.found: set[str] = set()
        self.work_seconds: defaultdict[str, float] = defaultdict(float)

    @property
    def rows_computed(self) -> int:
        """Number of rows that this run has encoded, including rows without a vector."""
        return sum(record.rows_read for key, record in self._records.items() if key not in self.found)

    def compute(self) -> Manifest:
        """Encode the missing chunks, publish, and return the manifest.

        Raises
        ------
        EncoderError
            The encoder does not fit the source.
        FeatureLimitError
            Too many rows have no vector; `ImagesAwayError` if another try may fetch enough of their images.
        FeaturesError
            A chunk could not be encoded, or a file that a worker wrote is missing.
        """
        encoder = self._describe()
        chunks = self._source.chunks(
            encoder.fingerprint, chunk_rows=self._settings.chunk_rows, chunk_bytes=self._settings.chunk_bytes
        )
        begin(self._folder, self._manifest(encoder, (), INCOMPLETE))
        self._find_done(chunks)
        for _ in range(_TRIES_TO_PUBLISH):
            self._encode([chunk for chunk in chunks if chunk.key not in self._records], encoder)
            manifest = self._manifest(encoder, chunks, COMPLETE)
            self._check_limit(manifest)
            lost = missing_chunks(self._folder, manifest)
            if not lost:
                manifest = publish(self._folder, manifest)
                lost = missing_chunks(self._folder, manifest)
            if not lost:
                delete_unnamed(self._folder, manifest)
                return manifest
            for record in lost:
                del self._records[record.key]
                self.found.discard(record.key)
        reason = (
            "what the workers wrote is not there. Do this machine and all workers share the folder? A path is another "
            "on each machine, memory:// one in each process. Or another run deletes what this one writes: end it first"
        )
        raise FeaturesError(self._settings.output, "manifest", reason)

    def _describe(self) -> EncoderDescription:
        started = time.perf_counter()
        about = self._workers.describe_encoder()
        self.work_seconds["start"] += time.perf_counter() - started
        if self._source.modality not in about.modalities:
            reason = f"encodes {' and '.join(about.modalities)}, the source is {self._source.modality}"
            raise EncoderError(about.description.name, reason)
        return about.description

    def _manifest(self, encoder: EncoderDescription, chunks: Sequence[Chunk], state: str) -> Manifest:
        settings, source = self._settings, self._source
        files = [(file.url, file.size, file.version) for file in source.listed]
        return Manifest(
            state=state,
            encoder=encoder,
            source=redact(settings.source),
            id=settings.id,
            text=source.columns.template,
            image=settings.image,
            vector=settings.vector,
            input_fingerprint=input_fingerprint(files),
            chunks=tuple(self._records[chunk.key] for chunk in chunks),
        )

    def _find_done(self, chunks: Sequence[Chunk]) -> None:
        """Read the records of finished chunks.

        Chunks with images to fetch again do not count as finished.
        """
        there = self._folder.files(CHUNKS)
        keys = [chunk.key for chunk in chunks if chunk_file(chunk.key) in there]
        if not keys:
            return
        with ThreadPoolExecutor(min(_LOOKING_THREADS, len(keys))) as pool:
            for record in pool.map(lambda key: read_record(self._folder, key), keys):
                if record is not None:
                    self._records[record.key] = record
        self.found = set(self._records)
        logger.info("features: %d of %d chunks exist already", len(self._records), len(chunks))

    def _encode(self, pending: Sequence[Chunk], encoder: EncoderDescription) -> None:
        if not pending:
            return
        spans = self._source.spans(pending, parallelism=self._workers.threads)
        rows = sum(chunk.rows for chunk in pending)
        for finished in self._workers.encode(spans, self._source.columns, encoder, rows):
            self._records[finished.record.key] = finished.record
            for step, seconds in finished.seconds.items():
                self.work_seconds[step] += seconds

    def _check_limit(self, manifest: Manifest) -> None:
        limit = self._settings.max_dead_letters
        if manifest.dead_lettered <= limit:
            return
        examples: list[str] = []
        for chunk in manifest.chunks:
            if len(examples) >= _EXAMPLES:
                break
            examples += [str(dead_letter) for dead_letter in read_dead_letters(self._folder, chunk)]
        told_of = (self._settings.output, manifest.dead_lettered, limit, tuple(examples[:_EXAMPLES]))
        retryable = sum(chunk.retryable for chunk in manifest.chunks)
        if manifest.dead_lettered - retryable <= limit:
            raise ImagesAwayError(*told_of, retryable)
        raise FeatureLimitError(*told_of)
