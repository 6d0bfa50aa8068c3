"""Renders the report of a features run as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lsh_core.sources.feature_folders import REFUSED
from lsh_core.sources.source_facts import SourceFacts, source_lines


@dataclass(frozen=True, kw_only=True)
class FeaturesReport(SourceFacts):
    """Report of a features run.

    Attributes
    ----------
    output
        Folder of the published vectors.
    encoder, fingerprint, dims, metric
        Name, fingerprint, dimensions and metric of the encoder.
    reused_chunks
        Chunks that an earlier run encoded.
    rows_per_second
        Rate of the rows that this run encoded.
    work_seconds
        Seconds of all workers together, by step; the steps run at the same time.
    """

    output: str
    encoder: str
    fingerprint: str
    dims: int
    metric: str
    rows_read: int
    rows_written: int
    dead_lettered: int
    reused_chunks: int
    chunks: int
    seconds: float
    rows_per_second: float
    work_seconds: Mapping[str, float]


def report_lines(report: FeaturesReport) -> Iterator[str]:
    """Yield the lines of a report."""
    yield f"features: {report.output}"
    yield from source_lines(report)
    yield (
        f"  encoder    {report.encoder}, {report.dims} dimensions, {report.metric}, "
        f"fingerprint {report.fingerprint[:12]}"
    )
    yield (
        f"  rows       {report.rows_read:,} read, {report.rows_written:,} written, "
        f"{report.dead_lettered:,} dead lettered"
    )
    if report.dead_lettered:
        yield f"  refused    each row with its reason: {report.output.rstrip('/')}/{REFUSED}/*.pq"
    yield f"  chunks     {report.chunks:,}, of which {report.reused_chunks:,} were there already"
    yield f"  seconds    {report.seconds:.1f}, {report.rows_per_second:,.1f} rows/s"
    steps = ", ".join(f"{step} {seconds:.1f}" for step, seconds in report.work_seconds.items())
    if steps:
        yield f"  work       {steps} (seconds of all workers; the steps run at the same time)"
