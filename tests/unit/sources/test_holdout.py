from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lsh_core.sources.dataset import open_dataset
from lsh_core.sources.holdout import ONE_IN, are_held_out, holds_out
from lsh_core.sources.sampling import plan_sample, without_held_out
from tests.fakes.parquet_sources import write_source

PLACES = np.arange(1_000_000)


@pytest.mark.parametrize("step", [1, 2, 5, 8, 10, 64])
def test_one_in_five_is_held_out_whatever_the_order_of_the_rows(step: int) -> None:
    for start in range(3):
        assert are_held_out(PLACES[start::step]).mean() == pytest.approx(1 / ONE_IN, abs=0.02)


def test_it_depends_on_the_place_alone() -> None:
    assert (are_held_out(PLACES)[1_234:] == are_held_out(PLACES[1_234:])).all()


def test_few_rows_are_all_trained_on() -> None:
    assert [holds_out(rows) for rows in (0, 999, 1_000)] == [False, False, True]


def test_no_held_out_row_is_in_the_sample(tmp_path: Path) -> None:
    for number, rows in enumerate((700, 1, 1_300)):
        ids = [f"{number}-{row}" for row in range(rows)]
        write_source(tmp_path / f"{number}.parquet", ids, np.ones((rows, 2), np.float32))
    files = open_dataset(str(tmp_path)).files
    whole = plan_sample(files, 10_000, 0)
    kept = without_held_out(whole, files)
    places = np.concatenate([files[part.file].first_row_number + part.offsets for part in kept])
    assert set(places.tolist()) == set(np.flatnonzero(~are_held_out(np.arange(2_001))).tolist())
    assert 1_500 < len(places) < 1_700
