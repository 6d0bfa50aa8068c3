"""Features: texts and images to embeddings, as Parquet files that the other verbs read. Needs no Elasticsearch."""

from __future__ import annotations

import logging
import os
import re
import secrets
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

from lsh_core.errors import EncoderError, FeatureLimitError, FeaturesError, SettingsError, UnavailableError
from lsh_core.jobs.dask_workers import check_address, dask_at
from lsh_core.progress import progress
from lsh_core.settings import FeaturesSettings

if TYPE_CHECKING:
    from distributed import Client, Future

    from lsh_core.features.chunk_files import ChunkRecord
    from lsh_core.features.feature_source import FeatureSource
    from lsh_core.features.manifest import Manifest
    from lsh_core.features.output_folder import OutputFolder
    from lsh_core.features.specification import EncoderSpec
    from lsh_core.features.work import WorkChunk, WorkSpan
    from lsh_core.jobs.feature_task import FeatureTask, Finished

logger = logging.getLogger(__name__)

_OPEN_PER_THREAD = 2
_LOOK_SECONDS = 0.05
_LOOKING_THREADS = 16
_EXAMPLES = 10
_TRIES_TO_PUBLISH = 3
_PASSWORD = re.compile(r"//[^/@]*@")
_GOING_ON = ("pending", "lost")  # A worker that dies takes the answers that it holds along: their tasks run again.


def compute_features(settings: FeaturesSettings, dask: str | None = None, *, trusted: bool = False) -> dict[str, Any]:
    """Encode every row of the source and publish the vectors in `settings.output`.

    Chunks that an earlier run, killed or complete, has left in the output are taken as they are, if their source
    files, the encoder and the columns are still the same.

    Parameters
    ----------
    dask
        Address of a scheduler; default: two workers of its own.
    trusted
        Whether `settings.encoder` may be a ``module:factory``: only where whoever wrote it may run any code here.

    Returns
    -------
    dict
        ``output, encoder, fingerprint, dims, metric, rows_read, rows_written, dead_lettered, reused_chunks, chunks,
        seconds, rows_per_second, work_seconds``. The rate is that of the rows that were encoded by this run. The last
        adds up, over all workers, where the time of each step went; the steps run at the same time.

    Raises
    ------
    InputError
        The source, a column, the weights, the output or a setting does not allow it; before anything is computed.
    FeatureLimitError
        More rows got no vector than `settings.max_dead_letters`. Nothing is published; what is done is kept.
    """
    from lsh_core.features.feature_source import open_source
    from lsh_core.features.output_folder import OutputFolder

    started = time.perf_counter()
    check_address(dask)
    source = open_source(settings)
    spec = encoder_spec(settings, source)
    folder = OutputFolder(settings.output)
    _check_apart(settings, source, folder)
    folder.check_writable()
    with dask_at(dask) as client:
        run = _Run(settings, source, spec, folder, client, trusted=trusted)
        manifest = run.compute()
    seconds = time.perf_counter() - started
    return {
        "output": settings.output,
        "encoder": manifest.encoder["name"],
        "fingerprint": manifest.encoder["fingerprint"],
        "dims": manifest.encoder["dims"],
        "metric": manifest.encoder["metric"],
        "rows_read": manifest.rows_read,
        "rows_written": manifest.rows_written,
        "dead_lettered": manifest.dead_lettered,
        "reused_chunks": len(run.found),
        "chunks": len(manifest.chunks),
        "seconds": round(seconds, 3),
        "rows_per_second": round(run.rows_computed / seconds, 1),
        "work_seconds": {step: round(spent, 3) for step, spent in sorted(run.work_seconds.items())},
    }


def encoder_spec(settings: FeaturesSettings, source: FeatureSource) -> EncoderSpec:
    """Return the specification of the encoder that `settings` ask for."""
    from lsh_core.features.specification import EncoderSpec

    size = settings.image_size
    return EncoderSpec(
        encoder=settings.encoder,
        weights=_absolute(settings.weights),
        template=source.columns.template,
        max_tokens=settings.max_tokens,
        architecture=settings.architecture,
        image_size=None if size is None else (size, size),
        pixels=None if settings.pixels == "0..255" else settings.pixels,  # None is what knows best, and else that.
        batch_size=settings.batch_size,
        device=settings.device,
        precision=settings.precision,
    )


def _absolute(weights: str | None) -> str | None:
    """Return the whole path of weights that are here: workers have another working folder."""
    return os.path.abspath(weights) if weights is not None and os.path.exists(weights) else weights


def _check_apart(settings: FeaturesSettings, source: FeatureSource, folder: OutputFolder) -> None:
    """Raise `SettingsError` if what is written would be read as a part of the source by the next run."""
    from lsh_core.features.output_folder import OutputFolder
    from lsh_core.sources.listing import base_of

    written, named = folder.place(""), OutputFolder(settings.source).place("")
    of_whole_folder = base_of(settings.source) == named
    files = [*(file.url for file in source.files), *(image.url for image in source.images)]
    if (of_whole_folder and written.startswith(named)) or any(file.startswith(written) for file in files):
        raise SettingsError("output", settings.output, f"and the source {settings.source} lie in one another")


class _Run:
    """One call of `compute_features`, from its plan to its manifest."""

    def __init__(
        self,
        settings: FeaturesSettings,
        source: FeatureSource,
        spec: EncoderSpec,
        folder: OutputFolder,
        client: Client,
        *,
        trusted: bool,
    ) -> None:
        self._settings, self._source, self._spec, self._folder = settings, source, spec, folder
        self._client, self._trusted = client, trusted
        self._records: dict[str, ChunkRecord] = {}
        self._topic = f"airlsh-features-{secrets.token_hex(8)}"
        self.found: set[str] = set()
        self.work_seconds: defaultdict[str, float] = defaultdict(float)
        workers = list(client.scheduler_info(n_workers=-1)["workers"].values())
        # On GPUs alone where there are any, unless told otherwise.
        on_gpus = [worker for worker in workers if worker["resources"].get("GPU")]
        self._resources = {"GPU": 1} if on_gpus and settings.device != "cpu" else None
        self._threads = sum(worker["nthreads"] for worker in (on_gpus if self._resources else workers))
        self._workers_on: dict[str, int] = defaultdict(int)
        for worker in workers:
            self._workers_on[worker["host"]] += 1

    @property
    def rows_computed(self) -> int:
        """Rows that were encoded by this run, those without a vector among them."""
        return sum(record.rows_read for key, record in self._records.items() if key not in self.found)

    def compute(self) -> Manifest:
        """Encode what is not done yet, and publish."""
        from lsh_core.features import publishing

        encoder = self._describe()
        chunks = self._source.chunks(
            encoder["fingerprint"], chunk_rows=self._settings.chunk_rows, chunk_bytes=self._settings.chunk_bytes
        )
        replaced = publishing.begin(self._folder, self._manifest(encoder, (), "incomplete"))
        self._find_done(chunks)
        for _ in range(_TRIES_TO_PUBLISH):
            self._encode([chunk for chunk in chunks if chunk.key not in self._records], encoder)
            manifest = self._manifest(encoder, chunks, "complete")
            self._check_limit(manifest)
            lost = publishing.missing_chunks(self._folder, manifest)
            if not lost:
                publishing.publish(self._folder, manifest)
                lost = publishing.missing_chunks(self._folder, manifest)
            if not lost:
                publishing.delete_unnamed(self._folder, replaced, manifest)
                return manifest
            for record in lost:
                del self._records[record.key]
                self.found.discard(record.key)
        raise FeaturesError(self._settings.output, "manifest", "another run deletes what this one writes; end it first")

    def _describe(self) -> dict[str, Any]:
        """Make the encoder on a worker, where its weights must be, and check that it fits the source."""
        from lsh_core.jobs.feature_task import describe_encoder

        started = time.perf_counter()
        described = self._client.submit(
            describe_encoder,
            self._spec,
            self._trusted,
            dict(self._workers_on),
            pure=False,
            resources=self._resources,
        )
        with self._told_of_deaths():
            about: dict[str, Any] = described.result()
        self.work_seconds["start"] += time.perf_counter() - started
        modalities = about.pop("modalities")
        if self._source.modality not in modalities:
            raise EncoderError(
                about["name"], f"encodes {' and '.join(modalities)}, the source is {self._source.modality}"
            )
        return about

    def _manifest(self, encoder: dict[str, Any], chunks: Sequence[WorkChunk], state: str) -> Manifest:
        from lsh_core.features.manifest import Manifest, input_fingerprint

        settings, source = self._settings, self._source
        files = [(file.url, file.size, file.version) for file in source.files]
        files += [(image.url, image.size, image.version) for image in source.images]
        return Manifest(
            state=state,
            encoder=encoder,
            source=_PASSWORD.sub("//", settings.source),
            id=settings.id,
            text=source.columns.template,
            image=settings.image,
            vector=settings.vector,
            input_fingerprint=input_fingerprint(files),
            chunks=tuple(self._records[chunk.key] for chunk in chunks),
        )

    def _find_done(self, chunks: Sequence[WorkChunk]) -> None:
        """Read the records of chunks that are in the output already; those with images to try again are left out."""
        from lsh_core.features.chunk_files import CHUNKS, chunk_file, read_record

        there = self._folder.files(CHUNKS)
        keys = [chunk.key for chunk in chunks if chunk_file(chunk.key) in there]
        if not keys:
            return
        with ThreadPoolExecutor(min(_LOOKING_THREADS, len(keys))) as pool:
            for record in pool.map(lambda key: read_record(self._folder, key), keys):
                if record is not None and not record.passing:
                    self._records[record.key] = record
        self.found = set(self._records)
        logger.info("features: %d of %d chunks are there already", len(self._records), len(chunks))

    def _encode(self, pending: Sequence[WorkChunk], encoder: dict[str, Any]) -> None:
        """Encode chunks on the workers, a bounded number of spans at a time."""
        if not pending:
            return
        spans = self._source.spans(pending, parallelism=self._threads)
        tasks = (self._task(span, encoder) for span in spans)
        rows = sum(chunk.rows for chunk in pending)
        with progress("features", total=rows) as meter:
            self._client.subscribe_topic(self._topic, lambda event: meter.advance(event[1]))
            try:
                for finished in self._followed(tasks):
                    self._count(finished)
            finally:
                if self._client.status == "running":
                    self._client.unsubscribe_topic(self._topic)

    def _task(self, span: WorkSpan, encoder: dict[str, Any]) -> FeatureTask:
        from lsh_core.jobs.feature_task import FeatureTask

        return FeatureTask(
            output=self._settings.output,
            spec=self._spec,
            trusted=self._trusted,
            encoder=encoder,
            columns=self._source.columns,
            span=span,
            topic=self._topic,
            workers_on=dict(self._workers_on),
        )

    def _followed(self, tasks: Iterator[FeatureTask]) -> Iterator[list[Finished]]:
        """Keep the workers busy with `tasks`, in order; yield what each returns.

        Raises
        ------
        FeaturesError
            The workers died under a task again and again, or somebody else cancelled it.
        UnavailableError
            The scheduler is gone.
        """
        from lsh_core.jobs.feature_task import UnwantedError

        open_: dict[Future[list[Finished]], FeatureTask] = {}
        try:
            while True:
                room = max(0, _OPEN_PER_THREAD * self._threads - len(open_))
                open_.update((self._submit(task), task) for task in islice(tasks, room))
                if not open_:
                    return
                if self._client.status != "running":
                    raise UnavailableError("Dask scheduler", 0, f"the connection is {self._client.status}")
                for future in [future for future in open_ if future.status not in _GOING_ON]:
                    task = open_.pop(future)
                    if future.status == "error" and isinstance(future.exception(), UnwantedError):
                        # Its worker lost the scheduler for a moment, took the task for cancelled, and got it again.
                        open_[self._submit(task)] = task
                    else:
                        yield self._result(future)
                time.sleep(_LOOK_SECONDS)
        finally:
            if open_ and self._client.status == "running":
                self._client.cancel(list(open_), force=True)

    def _submit(self, task: FeatureTask) -> Future[list[Finished]]:
        from lsh_core.jobs.feature_task import encode_span

        return self._client.submit(encode_span, task, pure=False, resources=self._resources, retries=0)

    def _result(self, future: Future[list[Finished]]) -> list[Finished]:
        if future.status == "cancelled":
            raise FeaturesError(self._settings.output, "encode", "a task was cancelled")
        with self._told_of_deaths():
            return future.result()

    @contextmanager
    def _told_of_deaths(self) -> Iterator[None]:
        """Say what may be the matter with a task that no worker survived."""
        from distributed import KilledWorker

        try:
            yield
        except KilledWorker as error:
            reason = "every worker died under it, perhaps for want of memory: give them more, or a smaller --batch-size"
            raise FeaturesError(self._settings.output, "encode", reason) from error

    def _count(self, finished: Sequence[Finished]) -> None:
        for each in finished:
            self._records[each.record.key] = each.record
            for step, seconds in each.seconds.items():
                self.work_seconds[step] += seconds

    def _check_limit(self, manifest: Manifest) -> None:
        from lsh_core.features.chunk_files import read_letters

        limit = self._settings.max_dead_letters
        if manifest.dead_lettered <= limit:
            return
        examples: list[str] = []
        for chunk in manifest.chunks:
            if len(examples) >= _EXAMPLES:
                break
            examples += [str(letter) for letter in read_letters(self._folder, chunk)]
        raise FeatureLimitError(self._settings.output, manifest.dead_lettered, limit, tuple(examples[:_EXAMPLES]))
