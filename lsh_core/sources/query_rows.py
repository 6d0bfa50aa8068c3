"""Draws the rows of a source that recall is measured with: held-out rows, at random."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lsh_core.sources.holdout import MIN_HELD_OUT, ONE_IN, are_held_out
from lsh_core.sources.sampling import SamplePart, plan_sample
from lsh_core.sources.source_file import SourceFile

MIN_ROW_GROUPS = 64
"""Rows of one row group are alike, and are found alike: queries come from many."""
_SPARE = 1.3


def plan_query_rows(files: Sequence[SourceFile], size: int, seed: int) -> list[SamplePart]:
    """Choose up to `size` held-out rows; from all rows if few are held out.

    Raises
    ------
    SourceError
        The source has no rows.
    """
    parts = plan_sample(files, round(size * ONE_IN * _SPARE), seed, min_row_groups=MIN_ROW_GROUPS)
    owners = np.repeat(np.arange(len(parts)), [len(part.offsets) for part in parts])
    offsets = np.concatenate([part.offsets for part in parts])
    firsts = np.array([files[part.file].first_row_number for part in parts])
    held_out = np.flatnonzero(are_held_out(firsts[owners] + offsets))
    among = held_out if len(held_out) >= min(size, MIN_HELD_OUT) else np.arange(len(offsets))
    chosen = np.random.default_rng(seed).permutation(among)[:size]
    drawn = [
        SamplePart(part.file, np.sort(offsets[chosen[owners[chosen] == number]])) for number, part in enumerate(parts)
    ]
    return [part for part in drawn if len(part.offsets)]
