"""Lines of the report of a features run."""

from __future__ import annotations

from dataclasses import replace

from lsh_core.features.report_lines import FeaturesReport, report_lines
from lsh_core.sources.feature_folders import REFUSED

REPORT = FeaturesReport(
    output="s3://bucket/features/",
    encoder="letters",
    fingerprint="ab" * 32,
    dims=3,
    metric="cosine",
    rows_read=10,
    rows_written=8,
    dead_lettered=2,
    reused_chunks=0,
    chunks=1,
    seconds=2.0,
    rows_per_second=4.0,
    work_seconds={},
)


def test_the_place_of_refused_rows_is_named_if_there_are_any() -> None:
    place = f"  refused    each row with its reason: s3://bucket/features/{REFUSED}/*.pq"
    assert place in list(report_lines(REPORT))
    assert not any("refused" in line for line in report_lines(replace(REPORT, dead_lettered=0, rows_written=10)))
