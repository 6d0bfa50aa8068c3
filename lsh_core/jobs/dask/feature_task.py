"""Dask task of `compute_features`: a worker reads, encodes and writes a span."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from lsh_core.errors import EncoderError, ImageError
from lsh_core.features.chunk_files import ChunkRecord, read_record, write_chunk
from lsh_core.features.decoding import ImageDecoder
from lsh_core.features.encoder import Encoder
from lsh_core.features.image_loading import Payload, load_image
from lsh_core.features.output_folder import OutputFolder
from lsh_core.features.pipeline import Pipeline, Pixels
from lsh_core.features.row_columns import RowColumns
from lsh_core.features.row_reading import read_rows
from lsh_core.features.specification import EncoderSpec
from lsh_core.jobs.dask.picklable_errors import picklable_errors
from lsh_core.jobs.dask.thread_budget import limit_to_share, threads_of_a_task
from lsh_core.sources.dead_letter import DeadLetter
from lsh_core.sources.encoder_info import EncoderDescription, EncoderInfo
from lsh_core.sources.reading import check_unchanged
from lsh_core.sources.source_file import Chunk, Span

if TYPE_CHECKING:
    import pyarrow as pa

logger = logging.getLogger(__name__)

TEXTS_PER_BLOCK = 1_024
BATCHES_OF_TEXTS = 16
IMAGES_PER_BLOCK = 32


class UnwantedError(Exception):
    """No client waits for this task any more."""


@dataclass(frozen=True)
class FeatureTask:
    """Everything that a worker needs to encode a span.

    The task carries no rows, and its result carries only counts.

    Attributes
    ----------
    trusted
        Whether the encoder may be a "module:factory".
    encoder
        Description of the encoder when the run was planned. A worker with another encoder is refused.
    topic
        Dask topic on which finished chunks are announced.
    workers_on
        Number of workers on each machine, by its address.
    resources
        Worker resources that the task takes.
    """

    output: str
    spec: EncoderSpec
    trusted: bool
    encoder: EncoderDescription
    columns: RowColumns
    span: Span
    topic: str
    workers_on: dict[str, int]
    resources: dict[str, int] | None


@dataclass(frozen=True)
class Finished:
    """Record of a finished chunk, and the seconds of this task for it, by step."""

    record: ChunkRecord
    seconds: dict[str, float]


@dataclass(frozen=True)
class WorkerEncoder:
    """Encoder of a worker: its description, and the modalities that it encodes, sorted."""

    description: EncoderDescription
    modalities: tuple[str, ...]


@picklable_errors
def describe_encoder(spec: EncoderSpec, trusted: bool, workers_on: Mapping[str, int]) -> WorkerEncoder:
    """Make the encoder of this process; return its description."""
    made = _encoder(spec, trusted, workers_on)
    return WorkerEncoder(_described(made, spec), tuple(sorted(made.modalities)))


@picklable_errors
def encode_span(task: FeatureTask) -> list[Finished]:
    """Encode the unfinished chunks of `task`.

    A span runs again if its worker died. Chunks that the dead worker finished are found and not encoded again.

    Raises
    ------
    SourceChangedError
        The source has changed since the plan.
    EncoderError
        The encoder of this worker is not the planned encoder.
    """
    folder = OutputFolder(task.output)
    check_unchanged(task.span.file)
    finished = []
    pending: list[Chunk] = []
    for chunk in task.span.chunks:
        record = read_record(folder, chunk.key)
        if record is not None:
            finished.append(Finished(record, {}))
        else:
            pending.append(chunk)
    if pending:
        finished += _encode(task, folder, Span(task.span.file, tuple(pending)))
    return finished


def _encode(task: FeatureTask, folder: OutputFolder, span: Span) -> Iterator[Finished]:
    started = time.perf_counter()
    encoder = _encoder(task.spec, task.trusted, task.workers_on)
    starting = time.perf_counter() - started
    described = _described(encoder, task.spec)
    found, planned = described.fingerprint, task.encoder.fingerprint
    if found != planned:
        raise EncoderError(
            encoder.name,
            f"has the fingerprint {found[:12]} {_here()} and {planned[:12]} on another one: give all workers the same "
            "weights and packages",
        )
    pipeline = Pipeline(
        encoder,
        _decoder(task.columns, encoder),
        partial(_write, folder, span, described.in_column(task.columns.vector)),
        vector=task.columns.vector,
        threads=threads_of_a_task(task.workers_on, task.resources),
        rows_per_block=_rows_per_block(task.spec, encoder, texts=task.columns.template is not None),
        stopping=_stop_if_unwanted,
    )
    for record, seconds in pipeline.run(read_rows(span, task.columns)):
        _announce(task.topic, record.rows_read)
        yield Finished(record, seconds | ({"start": round(starting, 4)} if starting else {}))
        starting = 0.0


def _rows_per_block(spec: EncoderSpec, encoder: Encoder, *, texts: bool) -> int:
    """Return the number of rows per block: whole batches, if the encoder names its batch size.

    Texts are sorted by length within a block, so the texts of a batch have similar lengths. A chunk may end in less
    than a batch, and chunks of images have `IMAGES_PER_CHUNK` rows.
    """
    batch = spec.batch_size or getattr(encoder, "batch_size", None) or 1
    min_rows = max(TEXTS_PER_BLOCK, BATCHES_OF_TEXTS * batch) if texts else IMAGES_PER_BLOCK
    return -(-min_rows // batch) * batch


def _write(
    folder: OutputFolder,
    span: Span,
    encoder: EncoderInfo,
    record: ChunkRecord,
    rows: pa.Table,
    dead_letters: Sequence[DeadLetter],
) -> ChunkRecord:
    check_unchanged(span.file)  # Checked between the read of the rows and the claim that they are encoded.
    return write_chunk(folder, record, rows, dead_letters, encoder)


def _decoder(columns: RowColumns, encoder: Encoder) -> Callable[[Payload], Pixels]:
    """Return the function that decodes an image.

    It is never called for a source of texts.
    """
    made = ImageDecoder.of(encoder) if columns.template is None else None

    def decode(payload: Payload) -> Pixels:
        if made is None:
            raise ImageError("is no text")
        return made.decode(load_image(payload, base=columns.base, places=columns.places))

    return decode


def _described(encoder: Encoder, spec: EncoderSpec) -> EncoderDescription:
    return EncoderDescription(encoder.name, encoder.fingerprint, encoder.dims, encoder.metric, spec.to_record())


def _encoder(spec: EncoderSpec, trusted: bool, workers_on: Mapping[str, int]) -> Encoder:
    from lsh_core.features.registry import worker_encoder

    limit_to_share(workers_on)
    try:
        return worker_encoder(spec, trusted=trusted)
    except EncoderError as error:
        error.add_note(f"This was {_here()}.")
        raise


def _here() -> str:
    """Return the name of this machine for errors: workers may have other files and packages."""
    from distributed import get_worker

    try:
        return f"on the Dask worker {get_worker().address}"
    except ValueError:
        return "in this process"


def _announce(topic: str, rows: int) -> None:
    """Send the row count of a finished chunk to the waiting client."""
    from distributed import get_worker

    try:
        get_worker().log_event(topic, rows)
    except ValueError:
        logger.debug("not on a Dask worker: no client to notify")


def _stop_if_unwanted() -> None:
    """Raise `UnwantedError` if the task was cancelled, or its client is gone.

    Dask cannot stop a thread.
    """
    from distributed import get_worker

    try:
        worker = get_worker()
        state = worker.state.tasks.get(worker.get_current_task())
    except ValueError:
        return
    if state is None or state.state == "cancelled":
        raise UnwantedError
