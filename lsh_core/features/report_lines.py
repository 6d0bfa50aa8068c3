"""What a run of `compute_features` returns, for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lsh_core.sources.feature_folders import LETTERS
from lsh_core.sources.left_out import source_lines


def report_lines(result: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines."""
    yield f"features: {result['output']}"
    yield from source_lines(result)
    yield (
        f"  encoder    {result['encoder']}, {result['dims']} dimensions, {result['metric']}, "
        f"fingerprint {result['fingerprint'][:12]}"
    )
    yield (
        f"  rows       {result['rows_read']:,} read, {result['rows_written']:,} written, "
        f"{result['dead_lettered']:,} dead lettered"
    )
    if result["dead_lettered"]:
        yield f"  refused    each row with its reason: {result['output'].rstrip('/')}/{LETTERS}/*.parquet"
    yield f"  chunks     {result['chunks']:,}, of which {result['reused_chunks']:,} were there already"
    yield f"  seconds    {result['seconds']:.1f}, {result['rows_per_second']:,.1f} rows/s"
    steps = ", ".join(f"{step} {seconds:.1f}" for step, seconds in result["work_seconds"].items())
    if steps:
        yield f"  work       {steps} (seconds of all workers; the steps run at the same time)"
