"""Renders hash health as lines of text. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Iterator

from lsh_core.evaluation.hash_health import HashHealth


def health_lines(health: HashHealth) -> Iterator[str]:
    """Yield the figures without diagnostics."""
    seen = "" if health.sampled_rows is None else f", by a sample of {health.sampled_rows:,} rows"
    yield (
        f"tokens: {health.used:,} of {health.possible:,} hold rows ({health.occupancy:.1%}), "
        f"entropy {health.entropy:.3f}{seen}"
    )
    if health.largest:
        largest = health.largest[0]
        hot = f", {len(health.hot)} hold far more than their share" if health.hot else ""
        yield f"the largest holds {largest.rows:,} rows ({largest.share:.2%}){hot}"
    yield f"a search goes through {health.touched:.2%} of the rows"
