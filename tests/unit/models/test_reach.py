"""Lists within reach, against their distances in float64."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from lsh_core.errors import ModelMismatchError, SettingsError, VectorError
from lsh_core.models import make_model, reach
from lsh_core.models.effort import Effort
from lsh_core.models.reach import MIN_REACH


def measured(model, metric, queries, value):
    """Return what lists are compared by, (q, lists), and the limit of each query."""
    centroids = model.centroids_.astype(np.float64)
    asked = model._metric.prepare_queries(queries).astype(np.float64)
    if metric != "dot":
        distances = np.linalg.norm(asked[:, None] - centroids, axis=2)
        return distances, value * np.sort(distances, axis=1)[:, min(10, len(centroids)) - 1]
    shortfalls = -(asked @ centroids.T)
    typical = math.sqrt((centroids[:, :-1] ** 2).sum(axis=1).mean())
    return shortfalls, np.sort(shortfalls, axis=1)[:, min(10, len(centroids)) - 1] + (value - 1) * typical


@pytest.mark.parametrize("metric", ["l2", "cosine", "dot"])
@pytest.mark.parametrize("lists", [1, 4, 10, 150])
@pytest.mark.parametrize("value", [0.1, 0.8, 1.0, 1.1, 1.7, 50.0])
def test_lists_are_those_up_to_the_tenth_and_some_way_beyond(metric, lists, value, clustered):
    rows = clustered(1500)
    rows *= np.random.default_rng(0).lognormal(0, 0.4, (1500, 1)).astype(np.float32)
    model = make_model("ivf", metric=metric, lists=lists, spill=1).fit(rows)
    queries = clustered(70, seed=7)
    compared, limits = measured(model, metric, queries, value)
    found = model.tokens_for(queries, Effort("reach", value))
    assert len(found) == len(queries)
    for row, limit, chosen in zip(compared, limits, found, strict=True):
        rounding = 1e-4 * max(abs(limit), np.abs(row).max())
        assert len(set(chosen.tolist())) == len(chosen) >= 1
        inside, outside = row[chosen], np.delete(row, chosen)
        assert inside.max() <= limit + rounding or len(chosen) == 1
        assert outside.min(initial=math.inf) >= limit - rounding
        assert outside.min(initial=math.inf) >= inside.max() - rounding


def test_a_query_between_lists_visits_more_of_them_than_one_inside_a_list(clustered):
    rows = clustered(3000, clusters=30)
    model = make_model("ivf", lists=300).fit(rows)
    inside = model.centroids_[:60]
    between = np.stack([inside[:30].mean(axis=0)] * 2)
    visited = [np.mean([len(each) for each in model.tokens_for(q, Effort("reach", 1.2))]) for q in (inside, between)]
    assert visited[1] > 1.4 * visited[0]


@pytest.mark.parametrize("metric", ["l2", "dot"])
@pytest.mark.parametrize("widening", [1.0, 1.5, 4.0, 1000.0])
def test_widening_takes_the_next_lists(metric, widening, clustered):
    model = make_model("ivf", metric=metric, lists=120).fit(clustered(1500))
    queries = clustered(40, seed=5)
    narrow = model.tokens_for(queries, Effort("reach", 1.1))
    wide = model.tokens_for(queries, Effort("reach", 1.1, widening))
    nearest = model.probe(queries, 120)
    for few, many, order in zip(narrow, wide, nearest, strict=True):
        assert len(many) == min(120, math.ceil(len(few) * widening))
        assert set(many.tolist()) == set(order[: len(many)].tolist())


def test_no_more_lists_than_a_filter_may_name(monkeypatch, clustered):
    monkeypatch.setattr(reach, "MAX_VISITED", 7)
    model = make_model("ivf", lists=50).fit(clustered(500))
    queries = clustered(5, seed=4)
    for chosen, order in zip(model.tokens_for(queries, Effort("reach", 99.0)), model.probe(queries, 7), strict=True):
        assert set(chosen.tolist()) == set(order.tolist())


def test_a_larger_reach_visits_every_list_of_a_smaller_one(clustered):
    model = make_model("ivf", lists=200).fit(clustered(2000))
    queries = clustered(50, seed=6)
    visited = [model.tokens_for(queries, Effort("reach", value)) for value in (0.9, 1.0, 1.05, 1.3)]
    for few, many in pairwise(visited):
        assert all(set(one.tolist()) <= set(other.tolist()) for one, other in zip(few, many, strict=True))


def test_probes_are_a_fixed_number(clustered):
    model = make_model("ivf", lists=50).fit(clustered(500))
    queries = clustered(5, seed=4)
    found = model.tokens_for(queries, Effort("probes", 8))
    assert (np.stack(found) == model.probe(queries, 8)).all()


def test_queries_of_any_block(monkeypatch, clustered):
    model = make_model("ivf", lists=60).fit(clustered(800))
    queries = clustered(130, seed=8)
    whole = model.tokens_for(queries, Effort("reach", 1.2))
    alone = [model.tokens_for(query[np.newaxis], Effort("reach", 1.2))[0] for query in queries]
    same = [np.array_equal(one, other) for one, other in zip(whole, alone, strict=True)]
    assert np.mean(same) > 0.97  # The last bit of a distance may differ with the shape of a block.
    assert list(model.tokens_for(queries[:0], Effort("reach", 1.2))) == []


def test_what_cannot_be_asked(clustered):
    model = make_model("ivf", lists=20).fit(clustered(300))
    with pytest.raises(SettingsError, match=f"reach=0.05: must be at least {MIN_REACH}"):
        model.tokens_for(clustered(2), Effort("reach", 0.05))
    with pytest.raises(ModelMismatchError, match="vectors of 16 numbers"):
        model.tokens_for(clustered(2, dims=4), Effort("reach", 1.0))
    with pytest.raises(VectorError):
        model.tokens_for(np.full((1, 16), np.nan, np.float32), Effort("reach", 1.0))


def test_efforts_name_their_unit():
    assert str(Effort("reach", 1.043)) == "reach 1.043"
    assert str(Effort("candidates", 2_500)) == "2,500 candidates"


def test_the_longest_vectors_that_float32_holds(clustered):
    rows = clustered(600) * np.float32(1e17)
    model = make_model("ivf", lists=60).fit(rows)
    near, far = (model.tokens_for(rows[:20], Effort("reach", value)) for value in (1.0, 100.0))
    assert all(1 <= len(each) < model.lists_ for each in near)
    assert all(len(each) == model.lists_ for each in far)
