from __future__ import annotations

import numpy as np
import pytest

from lsh_core.errors import SettingsError
from lsh_core.indexing.mapping import BuildMeta, VectorField
from lsh_core.models.contract import LSHModel
from lsh_core.models.hyperplane import Hyperplane
from lsh_core.models.ivf import IVF
from lsh_core.search.effort import EXACT_ROWS, effort_asked_for, effort_under_filter
from lsh_core.search.live_build import ResolvedBuild
from tests.vector_fields import list_field, table_field

SAMPLE = np.random.default_rng(0).normal(size=(400, 3)).astype(np.float32)
ROWS = 1_000_000


def build_of(field: VectorField, model: LSHModel) -> ResolvedBuild:
    meta = BuildMeta("docs", "b1", "rows.parquet", "f" * 8, (field,), "0")
    return ResolvedBuild("airlsh-docs-b1", meta, 1, model)


LISTS = build_of(list_field(effort=8), IVF(lists=100, spill=1).fit(SAMPLE))
TABLES = build_of(table_field(effort=500), Hyperplane(tables=4, bits=4).fit(SAMPLE))


@pytest.mark.parametrize("passing", [0, 1, EXACT_ROWS])
@pytest.mark.parametrize("build", [LISTS, TABLES])
def test_few_rows_are_scanned(build: ResolvedBuild, passing: int) -> None:
    assert effort_under_filter(build, 8, rows=ROWS, passing=passing) is None


@pytest.mark.parametrize(
    ("passing", "probes"), [(ROWS, 8), (ROWS // 2, 16), (ROWS // 3, 25), (ROWS // 10, 80), (ROWS // 12, 97)]
)
def test_as_many_rows_that_pass_are_looked_at_as_without_a_filter(passing: int, probes: int) -> None:
    assert effort_under_filter(LISTS, 8, rows=ROWS, passing=passing) == probes


def test_where_all_lists_were_visited_all_rows_are_scanned() -> None:
    assert effort_under_filter(LISTS, 8, rows=ROWS, passing=ROWS * 8 // 100) is None


@pytest.mark.parametrize(
    ("passing", "candidates"), [(ROWS, 500), (ROWS // 2, 1_000), (ROWS // 20, 10_000), (ROWS // 21, None)]
)
def test_candidates_are_more_until_a_scan_is_cheaper(passing: int, candidates: int | None) -> None:
    assert effort_under_filter(TABLES, 500, rows=ROWS, passing=passing) == candidates
    assert effort_under_filter(TABLES, 500, rows=50_000, passing=25_000) == 1_000
    assert effort_under_filter(TABLES, 5_000, rows=40_000, passing=25_000) is None


def test_what_is_asked_for_is_taken_in_the_models_unit() -> None:
    assert effort_asked_for(LISTS, None, None) is None
    assert effort_asked_for(LISTS, 3, None) == 3
    assert effort_asked_for(TABLES, None, 3) == 3


@pytest.mark.parametrize(
    ("build", "probes", "candidates"),
    [(LISTS, None, 3), (TABLES, 3, None), (LISTS, 0, None), (TABLES, None, 0), (TABLES, None, 10_001)],
)
def test_another_unit_or_no_such_effort(build: ResolvedBuild, probes: int | None, candidates: int | None) -> None:
    with pytest.raises(SettingsError):
        effort_asked_for(build, probes, candidates)
