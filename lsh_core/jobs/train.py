"""Train: samples the source, fits a model on a Dask worker, stores it."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from lsh_core.built_in import METRICS
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.refusals import errors_named
from lsh_core.errors import SettingsError, SourceError
from lsh_core.jobs.dask.futures import follow_futures
from lsh_core.jobs.services import Services, dask_client
from lsh_core.json_form import JsonForm
from lsh_core.progress import progress
from lsh_core.redaction import redact
from lsh_core.settings import TrainSettings
from lsh_core.sources.source_facts import SourceFacts

if TYPE_CHECKING:
    import numpy as np

    from lsh_core.sources.dataset import Dataset
    from lsh_core.sources.encoder_info import EncoderInfo
    from lsh_core.sources.sampling import SamplePart
    from lsh_core.sources.source_file import SourceFile

    Sample: TypeAlias = tuple[np.ndarray, Counter[str]]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ModelFacts(JsonForm):
    """Id, fingerprint, model type, metric and dimensions of a stored model."""

    model_id: str
    fingerprint: str
    model: str
    metric: str
    dims: int


@dataclass(frozen=True, kw_only=True)
class FittedModel(ModelFacts):
    """Model that was just fitted and stored.

    Attributes
    ----------
    hash_backend
        Library that hashes with the model.
    sample_rows
        Number of rows that the model was fitted on.
    skipped_rows
        Drawn rows whose vector cannot be used.
    skipped
        Their number by the kind of fault.
    """

    hash_backend: str
    sample_rows: int
    skipped_rows: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TrainReport(SourceFacts, FittedModel):
    """Report of a training.

    Attributes
    ----------
    settings
        Settings of the training, as `TrainSettings` dumps them.
    seconds
        Duration of each step, and of all steps.
    """

    settings: Mapping[str, Any]
    seconds: Mapping[str, float]


@errors_named()
def train(settings: TrainSettings, services: Services) -> TrainReport:
    """Train one model on a seeded sample of the source, and store it.

    Dask workers read the sample and send it to the worker that fits, never through this process.

    Raises
    ------
    InputError
        The source or a setting is not usable.

    Examples
    --------
    >>> from lsh_core import TrainSettings, find_services, train
    >>> services = find_services("http://127.0.0.1:9200")
    >>> settings = TrainSettings(name="packages", source="examples/debian_packages.parquet", metric="cosine", lists=64)
    >>> report = train(settings, services)
    """
    from lsh_core.builds.mapping import check_vector_column
    from lsh_core.models.registry import default_sample, make_model
    from lsh_core.retrieval.registry import retrieval_of
    from lsh_core.sources.columns import check_columns
    from lsh_core.sources.dataset import open_dataset

    started = time.perf_counter()
    strategy = retrieval_of(type(make_model(settings.model, seed=settings.seed, **settings.model_options)))
    dataset = open_dataset(settings.source, settings.source_version)
    columns = check_columns(dataset, id=settings.id, vector=settings.vector, columns=())
    check_vector_column(settings.source, settings.vector, columns.dims)
    settings = with_metric(settings, columns.encoder)
    strategy.check_metric(settings.metric)
    services.cluster.require_answer()
    size = settings.sample or default_sample(settings.model, dataset.rows, columns.dims)
    parts = _plan(dataset, size, settings.seed)
    read = time.perf_counter()
    with dask_client(services) as client, progress("sample", unit="parts", total=len(parts)) as meter:
        samples = [
            client.submit(
                _read_part, dataset.files[part.file], part, columns.vector, columns.dims, settings.metric, pure=False
            )
            for part in parts
        ]
        for done in follow_futures(client, samples):
            if done.status == "error":
                done.result()
            meter.advance(1)
        sampled = time.perf_counter()
        with progress("fit", unit="models", total=1) as fitting:
            fitted = client.submit(
                _fit_and_store,
                samples,
                settings,
                dataset.rows,
                dataset.version,
                columns.encoder,
                services.cluster,
                pure=False,
            )
            fitted_model: FittedModel = next(follow_futures(client, [fitted])).result()
            fitting.advance(1)
    if fitted_model.skipped_rows:
        logger.warning(
            "train: %s of %s rows drawn from the source were skipped, as their vectors cannot be used: %s",
            f"{fitted_model.skipped_rows:,}",
            f"{fitted_model.skipped_rows + fitted_model.sample_rows:,}",
            _counted(fitted_model.skipped),
        )
    ended = time.perf_counter()
    return TrainReport(
        **asdict(fitted_model),
        **asdict(dataset.facts()),
        settings=settings.model_dump(mode="json"),
        seconds={
            "plan": round(read - started, 3),
            "sample": round(sampled - read, 3),
            "fit": round(ended - sampled, 3),
            "total": round(ended - started, 3),
        },
    )


def with_metric(settings: TrainSettings, encoder: EncoderInfo | None) -> TrainSettings:
    """Return the settings with the metric of the encoder as the default.

    Raises
    ------
    SettingsError
        The encoder of the source names an unknown metric.
    """
    if settings.metric == "auto":
        metric = "cosine" if encoder is None else METRICS.check(encoder.metric)
        return settings.model_copy(update={"metric": metric})
    if encoder is not None and encoder.metric != settings.metric:
        logger.warning(
            "train: vectors of encoder %s are made for the metric %s; the settings train the model for %s",
            encoder,
            encoder.metric,
            settings.metric,
        )
    return settings


def _plan(dataset: Dataset, size: int, seed: int) -> list[SamplePart]:
    """Choose the sample.

    Held-out rows are used only if there are too few other rows.
    """
    from lsh_core.sources.holdout import ONE_IN, holds_out
    from lsh_core.sources.sampling import plan_sample, without_held_out

    if holds_out(dataset.rows):
        parts = without_held_out(plan_sample(dataset.files, size * ONE_IN // (ONE_IN - 1), seed), dataset.files)
        if sum(len(part.offsets) for part in parts) >= min(size, dataset.rows) // 2:
            return parts
    return plan_sample(dataset.files, size, seed)


def _read_part(file: SourceFile, part: SamplePart, vector: str, dims: int, metric: str) -> Sample:
    """Read one part of the sample, (m, d) float32, and count the rows that were skipped. Runs on a worker."""
    from lsh_core.sources.sampling import read_sample_part

    skipped: Counter[str] = Counter()
    return read_sample_part(file, part, vector=vector, dims=dims, metric=metric, skipped=skipped), skipped


def _counted(skipped: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {kind}" for kind, count in sorted(skipped.items()))


def _fit_and_store(
    samples: list[Sample],
    settings: TrainSettings,
    rows: int,
    source_version: str | None,
    encoder: EncoderInfo | None,
    cluster: Cluster,
) -> FittedModel:
    """Fit on the joined sample and store the model. Runs on a worker."""
    import numpy as np

    from lsh_core.models.registry import make_model
    from lsh_core.models.store import store_model

    sample = np.concatenate([vectors for vectors, _ in samples])
    skipped = sum((counts for _, counts in samples), Counter())
    if not len(sample):
        reason = f"has no row with a valid vector in {settings.vector!r} to train on ({_counted(skipped)})"
        raise SourceError(settings.source, reason)
    if len(sample) < 2:
        raise SettingsError("sample", len(sample), "a model needs two rows or more to learn from")
    model = make_model(settings.model, metric=settings.metric, seed=settings.seed, **settings.model_options)
    model.fit(sample, rows=rows)
    facts = {
        "rows": rows,
        "source": redact(settings.source),
        "source_version": source_version,
        "sample_rows": len(sample),
        "encoder": None if encoder is None else asdict(encoder),
    }
    stored = store_model(cluster, settings.name, model, facts)
    return FittedModel(
        model_id=stored.model_id,
        fingerprint=stored.fingerprint,
        model=stored.model,
        metric=stored.metric,
        dims=stored.dims,
        hash_backend=model.backend_,
        sample_rows=len(sample),
        skipped_rows=skipped.total(),
        skipped=dict(skipped),
    )
