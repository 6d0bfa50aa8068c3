from __future__ import annotations

import numpy as np
import pytest

from lsh_core.builds.mapping import BuildMeta, VectorField
from lsh_core.errors import SettingsError
from lsh_core.models.contract import LSHModel
from lsh_core.models.effort import Effort
from lsh_core.models.hnsw import HNSW
from lsh_core.models.hyperplane import Hyperplane
from lsh_core.models.ivf import IVF
from lsh_core.search.effort import (
    effort_for_recall,
    effort_for_recall_filtered,
    requested_effort,
)
from lsh_core.search.recall_curve import CurvePoint, RecallCurve
from lsh_core.search.searchable_build import SearchableBuild
from tests.fakes.vector_fields import graph_field, list_field, table_field

SAMPLE = np.random.default_rng(0).normal(size=(400, 3)).astype(np.float32)
ROWS = 1_000_000
BOUNDS = {7: 0.8, 12: 0.9, 20: 0.95, 40: 0.97}


def build_of(field: VectorField, model: LSHModel, curve: RecallCurve | None = None) -> SearchableBuild:
    meta = BuildMeta("docs", "b1", "rows.parquet", "f" * 8, (field,), "0")
    return SearchableBuild("airlsh-docs-b1", meta, 1, model, curve=curve)


LISTS = build_of(list_field(effort=8), IVF(lists=100, spill=1).fit(SAMPLE))
TABLES = build_of(table_field(effort=500), Hyperplane(tables=4, bits=4).fit(SAMPLE))
GRAPH = build_of(graph_field(effort=150), HNSW().fit(SAMPLE))


def test_what_is_asked_for_is_taken_in_the_models_unit() -> None:
    assert requested_effort(LISTS, {"reach": 1.1}) == Effort("reach", 1.1)
    assert requested_effort(LISTS, {"probes": 3}) == Effort("probes", 3)
    assert requested_effort(TABLES, {"candidates": 3}) == Effort("candidates", 3)
    assert requested_effort(GRAPH, {"num_candidates": 10_000}) == Effort("num_candidates", 10_000)


def test_one_unit_at_a_time() -> None:
    with pytest.raises(SettingsError, match="probes=3: is given beside reach: use reach or probes"):
        requested_effort(LISTS, {"reach": 1.1, "probes": 3})


@pytest.mark.parametrize(
    ("build", "unit", "effort"),
    [
        (LISTS, "candidates", 3),
        (LISTS, "num_candidates", 3),
        (TABLES, "probes", 3),
        (GRAPH, "candidates", 3),
        (LISTS, "efforts", 3),
        (LISTS, "probes", 0),
        (LISTS, "reach", 0.01),
        (LISTS, "reach", 1_000.0),
        (TABLES, "reach", 1.1),
        (TABLES, "candidates", 0),
        (TABLES, "candidates", 10_001),
        (GRAPH, "num_candidates", 0),
        (GRAPH, "num_candidates", 10_001),
    ],
)
def test_another_unit_or_no_such_effort(build: SearchableBuild, unit: str, effort: float) -> None:
    with pytest.raises(SettingsError) as caught:
        requested_effort(build, {unit: effort})
    assert (caught.value.setting, caught.value.value) == (unit, effort)


@pytest.mark.parametrize(
    ("recall", "plain", "filtered"),
    [(None, 12, 20), (0.8, 7, 12), (0.9, 12, 20), (0.95, 20, 40), (0.97, 40, 40), (0.999, None, None)],
)
def test_under_a_filter_half_as_many_misses_are_allowed(
    recall: float | None, plain: int | None, filtered: int | None
) -> None:
    points = [CurvePoint(effort, low + 0.01, low, 0.5, 10.0, 200) for effort, low in BOUNDS.items()]
    curve = RecallCurve(10, 200, 0.9, 12, tuple(points))
    build = build_of(list_field(effort=8), LISTS.model, curve)
    wanted = [None if each is None else Effort("reach", each) for each in (plain, filtered)]
    assert [effort_for_recall(build, recall), effort_for_recall_filtered(build, recall)] == wanted
    for unmeasured in (effort_for_recall, effort_for_recall_filtered):
        assert unmeasured(LISTS, None) == Effort("reach", 8)
