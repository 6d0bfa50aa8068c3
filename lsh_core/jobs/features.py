"""Features: encodes texts and images as vectors in Parquet files.

The other verbs read these files. Elasticsearch is not needed.
"""

from __future__ import annotations

import os
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

from lsh_core.elastic.refusals import errors_named
from lsh_core.errors import SettingsError
from lsh_core.jobs.dask.workers import check_address, dask_at
from lsh_core.redaction import redact
from lsh_core.settings import FeaturesSettings

if TYPE_CHECKING:
    from lsh_core.features.feature_source import FeatureSource
    from lsh_core.features.output_folder import OutputFolder
    from lsh_core.features.report_lines import FeaturesReport
    from lsh_core.features.specification import EncoderSpec

_APART = "the next run would read what this one writes; name a folder apart from it"


@errors_named()
def compute_features(settings: FeaturesSettings, dask: str | None = None, *, trusted: bool = False) -> FeaturesReport:
    """Encode every row of the source and publish the vectors in `settings.output`.

    Chunks that an earlier run, killed or complete, left in the output are reused, if their source files, the encoder
    and the columns are the same. Images that could not be fetched are tried again.

    If a column names images by path or URL, an image that was replaced under the same name is not noticed and keeps its
    vector.

    Parameters
    ----------
    dask
        Address of a scheduler; default: two workers of this call.
    trusted
        Whether `settings.encoder` may be a ``module:factory``. Set it only if the author of the settings may run any
        code here.

    Raises
    ------
    InputError
        The source, a column, the weights, the output or a setting is not usable. This is detected before anything is
        computed.
    FeatureLimitError
        More rows got no vector than `settings.max_dead_letters`. Nothing is published, and finished chunks are kept.
        The error is an `ImagesAwayError` if another try may fetch enough of their images.

    Examples
    --------
    >>> from lsh_core import FeaturesSettings, compute_features
    >>> settings = FeaturesSettings(
    ...     source="texts.parquet", text="{description}", encoder="text", weights="MINILM", output="features"
    ... )
    >>> report = compute_features(settings)
    """
    from lsh_core.features.feature_source import open_source
    from lsh_core.features.manifest import read_manifest
    from lsh_core.features.output_folder import OutputFolder
    from lsh_core.features.report_lines import FeaturesReport
    from lsh_core.jobs.dask.feature_workers import FeatureWorkers
    from lsh_core.jobs.feature_run import FeatureRun

    started = time.perf_counter()
    check_address(dask)
    source = open_source(settings)
    spec = encoder_spec(settings, source)
    folder = OutputFolder(settings.output)
    _check_apart(settings, source, folder)
    folder.check_writable()
    read_manifest(folder)  # Any other file of this name is not overwritten, and is reported before anything starts.
    with dask_at(dask) as client:
        run = FeatureRun(settings, source, folder, FeatureWorkers(client, spec, settings, trusted=trusted))
        manifest = run.compute()
    seconds = time.perf_counter() - started
    return FeaturesReport(
        **asdict(source.facts),
        output=redact(settings.output),
        encoder=manifest.encoder.name,
        fingerprint=manifest.encoder.fingerprint,
        dims=manifest.encoder.dims,
        metric=manifest.encoder.metric,
        rows_read=manifest.rows_read,
        rows_written=manifest.rows_written,
        dead_lettered=manifest.dead_lettered,
        reused_chunks=len(run.found),
        chunks=len(manifest.chunks),
        seconds=round(seconds, 3),
        rows_per_second=round(run.rows_computed / seconds, 1),
        work_seconds={step: round(spent, 3) for step, spent in sorted(run.work_seconds.items())},
    )


def encoder_spec(settings: FeaturesSettings, source: FeatureSource) -> EncoderSpec:
    """Return the specification of the encoder in `settings`."""
    from lsh_core.features.specification import EncoderSpec

    size = settings.image_size
    return EncoderSpec(
        encoder=settings.encoder,
        weights=_absolute(settings.weights),
        template=source.columns.template,
        max_tokens=settings.max_tokens,
        architecture=settings.architecture,
        image_size=None if size is None else (size, size),
        # None lets the encoder decide; its default is 0..255.
        pixels=None if settings.pixels == "0..255" else settings.pixels,
        batch_size=settings.batch_size,
        device=settings.device,
        precision=settings.precision,
    )


def _absolute(weights: str | None) -> str | None:
    """Return the absolute path of local weights: workers have another working folder."""
    from lsh_core.features.specification import NO_PATHS

    if weights is None or weights in NO_PATHS or not os.path.exists(weights):
        return weights
    return os.path.abspath(weights)


def _check_apart(settings: FeaturesSettings, source: FeatureSource, folder: OutputFolder) -> None:
    """Raise `SettingsError` if the next run would read the output as source."""
    from lsh_core.features.output_folder import OutputFolder
    from lsh_core.sources.listing import base_of

    named, written = OutputFolder(settings.source).place(""), folder.place("")
    of_whole_folder = base_of(settings.source) == named
    inside = (below.startswith(above) for below, above in zip(_spellings(written), _spellings(named), strict=True))
    if of_whole_folder and any(inside):
        raise SettingsError("output", settings.output, f"lies in the source {settings.source}: {_APART}")
    folders = {f"{file.url.rpartition('/')[0]}/" for file in source.listed}
    real = _spellings(written)[-1]
    if any(_spellings(each)[-1].startswith(real) for each in folders):
        raise SettingsError("output", settings.output, f"has files of the source {settings.source} in it: {_APART}")


def _spellings(folder: str) -> tuple[str, ...]:
    """Return the spellings of a folder, each with a final slash.

    The last spelling of a local folder has no symbolic links in its path.
    """
    spelled = (folder,) if "://" in folder else (os.path.abspath(folder), os.path.realpath(folder))
    return tuple(f"{each.rstrip('/')}/" for each in spelled)
