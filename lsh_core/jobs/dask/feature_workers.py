"""Selects the Dask workers that encode, and submits a few spans at a time."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lsh_core.errors import FeaturesError, UnavailableError
from lsh_core.features.output_folder import OutputFolder
from lsh_core.features.row_columns import RowColumns
from lsh_core.features.specification import EncoderSpec
from lsh_core.jobs.dask.feature_task import (
    FeatureTask,
    Finished,
    UnwantedError,
    WorkerEncoder,
    describe_encoder,
    encode_span,
)
from lsh_core.jobs.dask.futures import follow_futures
from lsh_core.jobs.dask.thread_budget import tasks_at_a_time
from lsh_core.jobs.dask.worker_liveness import why_nobody_works, workers_of
from lsh_core.progress import progress
from lsh_core.settings import FeaturesSettings
from lsh_core.sources.encoder_info import EncoderDescription
from lsh_core.sources.source_file import Span

if TYPE_CHECKING:
    from distributed import Client, Future


_OPEN_PER_THREAD = 2


class FeatureWorkers:
    """Workers of one run.

    If some workers offer a GPU (``dask worker --resources GPU=1``), only these encode, unless the settings select the
    CPU.

    Attributes
    ----------
    threads
        Number of spans that are encoded at the same time.
    """

    def __init__(self, client: Client, spec: EncoderSpec, settings: FeaturesSettings, *, trusted: bool) -> None:
        self._client, self._spec, self._trusted = client, spec, trusted
        # The absolute path, because workers have another working folder.
        self._output = OutputFolder(settings.output).place("")
        workers = workers_of(client)
        if not workers:
            raise UnavailableError("Dask workers", 0, why_nobody_works(workers, {}))
        on_gpus = [worker for worker in workers if worker.resources.get("GPU")]
        self._resources = {"GPU": 1} if on_gpus and settings.device != "cpu" else None
        encoding = [(worker.threads, worker.resources) for worker in (on_gpus if self._resources else workers)]
        self.threads = sum(tasks_at_a_time(threads, offered, self._resources) for threads, offered in encoding)
        self._workers_on = dict(Counter(worker.host for worker in workers))

    def describe_encoder(self) -> WorkerEncoder:
        """Make the encoder on a worker, where its weights must be.

        See `feature_task.describe_encoder`.

        Raises
        ------
        InputError
            The encoder or its weights are missing.
        """
        arguments = (self._spec, self._trusted, self._workers_on)
        described = self._client.submit(describe_encoder, *arguments, pure=False, resources=self._resources)
        with self._told_of_deaths():
            about: WorkerEncoder = next(follow_futures(self._client, [described], resources=self._resources)).result()
        return about

    def encode(
        self, spans: Iterable[Span], columns: RowColumns, encoder: EncoderDescription, rows: int
    ) -> Iterator[Finished]:
        """Encode `spans` in order, a bounded number at a time.

        The chunks of a span are yielded when the span ends.

        Parameters
        ----------
        encoder
            Description of the encoder.
        rows
            Number of rows of all spans, for the progress bar.

        Raises
        ------
        FeaturesError
            Workers died repeatedly during a span, or another client cancelled the span.
        UnavailableError
            The scheduler is gone, or no worker accepts tasks.
        """
        topic = f"airlsh-features-{secrets.token_hex(8)}"
        tasks = (
            FeatureTask(
                output=self._output,
                spec=self._spec,
                trusted=self._trusted,
                encoder=encoder,
                columns=columns,
                span=span,
                topic=topic,
                workers_on=self._workers_on,
                resources=self._resources,
            )
            for span in spans
        )
        with progress("features", total=rows) as meter:
            self._client.subscribe_topic(topic, lambda event: meter.advance(event[1]))
            try:
                for finished in self._followed(tasks):
                    yield from finished
            finally:
                if self._client.status == "running":
                    self._client.unsubscribe_topic(topic)

    def _followed(self, tasks: Iterator[FeatureTask]) -> Iterator[list[Finished]]:
        going_on: dict[Future[list[Finished]], FeatureTask] = {}

        def submit(task: FeatureTask) -> Future[list[Finished]]:
            future = self._client.submit(encode_span, task, pure=False, resources=self._resources, retries=0)
            going_on[future] = task
            return future

        def resubmit(ended: Future[list[Finished]]) -> Future[list[Finished]] | None:
            task = going_on.pop(ended)
            # The worker lost the scheduler for a moment, took the task for cancelled, and received it again.
            is_unwanted = ended.status == "error" and isinstance(ended.exception(), UnwantedError)
            return submit(task) if is_unwanted else None

        try:
            for ended in follow_futures(
                self._client,
                map(submit, tasks),
                open_at_most=_OPEN_PER_THREAD * self.threads,
                resources=self._resources,
                resubmit=resubmit,
            ):
                yield self._result(ended)
        finally:
            if going_on and self._client.status == "running":
                self._client.cancel(list(going_on), force=True)

    def _result(self, future: Future[list[Finished]]) -> list[Finished]:
        if future.status == "cancelled":
            raise FeaturesError(self._output, "encode", "a task was cancelled")
        with self._told_of_deaths():
            return future.result()

    @contextmanager
    def _told_of_deaths(self) -> Iterator[None]:
        """Turn the end of a task that killed its workers into an error with possible causes."""
        from distributed import KilledWorker

        try:
            yield
        except KilledWorker as error:
            reason = "every worker died under it, perhaps for want of memory: give them more, or a smaller --batch-size"
            raise FeaturesError(self._output, "encode", reason) from error
