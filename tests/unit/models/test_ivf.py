from __future__ import annotations

import logging

import numpy as np
import pytest

from lsh_core.errors import SettingsError
from lsh_core.models import assignment, ivf, load_model
from lsh_core.models.fingerprint import fingerprint
from lsh_core.models.ivf import IVF


@pytest.mark.parametrize(
    ("knobs", "setting"),
    [
        ({"lists": 0}, "lists"),
        ({"lists": 2**20 + 1}, "lists"),
        ({"spill": 0}, "spill"),
        ({"spill": 65}, "spill"),
        ({"lists": 3, "spill": 4}, "spill"),
    ],
)
def test_impossible_knobs(knobs, setting, clustered):
    with pytest.raises(SettingsError) as caught:
        IVF(**knobs).fit(clustered(100))
    assert caught.value.setting == setting


@pytest.mark.parametrize(
    ("rows", "lists"),
    [(64, 32), (10_000, 2_000), (63_666, 12_733), (200_000, 16_000), (1_000_000, 32_000), (50_000_000, 226_274)],
)
def test_default_lists_by_rows(rows, lists):
    assert IVF.default_lists(rows) == lists


@pytest.mark.parametrize("rows", [1, 2, 5, 20])
def test_tiny_indices_have_no_more_lists_than_rows(rows):
    assert 1 <= IVF.default_lists(rows) <= rows


@pytest.mark.parametrize(("rows", "lists"), [(1_600, 320), (3_900, 500), (100_000, 250)])
def test_a_small_sample_makes_few_lists(rows, lists, clustered):
    assert IVF().fit(clustered(2_000), rows=rows).lists_ == lists


def test_lists_come_in_the_order_of_distance(clustered):
    sample, queries = clustered(2000), clustered(30, seed=2)
    model = IVF(lists=50).fit(sample)
    gaps = ((queries[:, None] - model.centroids_[None]) ** 2).sum(axis=2)
    exact = gaps.argsort(axis=1)
    assert (model.probe(queries, 12) == exact[:, :12]).all()
    assert (model.probe(queries, 10**6) == exact).all()
    assert (model.encode(queries, near=50).near == exact).mean() > 0.99


def test_under_dot_lists_come_in_the_order_of_products(clustered):
    sample, queries = clustered(2000), clustered(30, seed=2)
    model = IVF(metric="dot", lists=50).fit(sample)
    exact = (-queries.astype(np.float64) @ model.centroids_[:, :-1].T).argsort(axis=1)
    assert model.centroids_.shape == (50, 17)
    assert (model.probe(queries, 12) == exact[:, :12]).all()
    assert (model.probe(queries, 10**6) == exact).all()


@pytest.fixture
def two_levels_early(monkeypatch):
    """Few lists are grouped as many are."""
    monkeypatch.setattr(ivf, "ALL_EXAMINED", 1024)
    monkeypatch.setattr(ivf, "MIN_EXAMINED", 1024)


@pytest.mark.usefixtures("two_levels_early")
@pytest.mark.parametrize("lists", [300, 1500])
def test_under_dot_the_near_lists_are_those_that_a_query_visits(lists, clustered):
    """They are for queries with the row's vector; the row itself may be in none of them."""
    rows = clustered(6000, clusters=100)
    rows *= np.random.default_rng(0).lognormal(0, 0.4, (6000, 1)).astype(np.float32)
    model = IVF(metric="dot", lists=lists).fit(rows)
    codes = model.encode(rows[:200], near=16)
    assert (codes.near == model.probe(rows[:200], 16)).all()
    assert not np.isin(codes.tokens[:, :1], codes.near).all()


def test_near_is_bounded_by_the_lists(clustered):
    near = IVF(lists=10).fit(clustered(500)).encode(clustered(3), near=32).near
    assert near is not None
    assert near.shape == (3, 10)


@pytest.mark.usefixtures("two_levels_early")
def test_two_levels_give_nearly_the_exact_lists(clustered):
    sample = clustered(6000, clusters=200)
    model = IVF(lists=2048, spill=4).fit(sample)
    found, exact = model.encode(sample, near=4).near, model.probe(sample, 4)
    agree = [np.intersect1d(mine, right).size / 4 for mine, right in zip(found, exact, strict=True)]
    assert model.group_lists_.shape == (64, 1024)
    assert np.mean(agree) > 0.95


@pytest.mark.usefixtures("two_levels_early")
def test_groups_of_groups_give_nearly_the_same_lists(clustered, monkeypatch):
    sample = clustered(6000, clusters=200)
    two = IVF(lists=2048, spill=4).fit(sample)
    monkeypatch.setattr(assignment, "MIN_GROUPS_GROUPED", 64)
    three = IVF(lists=2048, spill=4).fit(sample)
    assert three.upper_lists_.shape == (2, 32)
    assert not hasattr(two, "upper_lists_")
    found, exact = three.encode(sample, near=4).near, three.probe(sample, 4)
    agree = [np.intersect1d(mine, right).size / 4 for mine, right in zip(found, exact, strict=True)]
    assert np.mean(agree) > 0.95
    back = load_model("ivf", *three.state())
    assert fingerprint(back) == fingerprint(three) != fingerprint(two)
    assert (back.encode(sample).tokens == three.encode(sample).tokens).all()


@pytest.mark.usefixtures("two_levels_early")
def test_tokens_do_not_depend_on_the_chunk(clustered):
    sample = clustered(4000, clusters=200)
    model = IVF(lists=1500).fit(sample)
    whole = model.encode(sample, near=8)
    parts = [model.encode(sample[start : start + 37], near=8) for start in range(0, 4000, 37)]
    # The last bit of a distance may differ with the shape of a block, and then two lists at one distance swap.
    assert np.mean(np.concatenate([part.tokens for part in parts]) == whole.tokens) > 0.999


def test_fewer_distinct_rows_than_lists(clustered, caplog):
    sample = np.repeat(clustered(20), 30, axis=0)
    with caplog.at_level(logging.WARNING):
        model = IVF(lists=64, spill=4).fit(sample)
    assert model.lists_ == 20
    assert "20 distinct rows: 20 lists instead of 64" in caplog.text
    assert len(np.unique(model.centroids_, axis=0)) == 20


def test_defaults_need_no_warning(clustered, caplog):
    IVF().fit(clustered(300))
    assert not caplog.records


def test_vectors_far_from_the_origin(clustered):
    sample = clustered(1000) + np.float32(300)
    model = IVF(lists=40).fit(sample)
    assert (model.encode(sample).tokens[:, 0] == model.probe(sample, 1)[:, 0]).mean() > 0.97
