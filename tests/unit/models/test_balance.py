from __future__ import annotations

import numpy as np
import pytest

from lsh_core.models import fingerprint, hierarchical
from lsh_core.models.assignment import make_groups, nearest_lists
from lsh_core.models.balance import HEAVY, parted_rows, split_heavy
from lsh_core.models.distances import NumpyDistances
from lsh_core.models.ivf import IVF
from lsh_core.models.kmeans import distinct_rows, nearest_centroid, row_hashes


def generator():
    return np.random.default_rng(3)


def loads(model, rows):
    return np.bincount(model.encode(rows).tokens.ravel(), minlength=model.lists_)


def tight_cluster(rows, share):
    """Put `share` of the rows around one of them, much closer than any others."""
    held = rows.copy()
    chosen = generator().choice(len(rows), int(share * len(rows)), replace=False)
    held[chosen] = rows[0] + 0.01 * generator().standard_normal((len(chosen), rows.shape[1])).astype(np.float32)
    return held


def repeated(rows, share):
    held = rows.copy()
    held[generator().choice(len(rows), int(share * len(rows)), replace=False)] = rows[0]
    return held


def test_the_most_repeated_vector_of_a_list_counts_once():
    labels = np.array([0, 0, 0, 0, 2, 2, 2, 0])
    hashes = np.array([7, 7, 7, 8, 7, 8, 9, 9], dtype=np.uint64)
    assert parted_rows(labels, 4, hashes).tolist() == [3, 0, 3, 0]
    assert parted_rows(labels, 4, None).tolist() == [5, 0, 3, 0]


def heavy_and_light(clustered):
    """200 rows of one list, 20 each of ten others, of which the last three hold 1 row each."""
    rows = clustered(200 + 7 * 20 + 3)
    near = np.repeat(np.arange(11), [200] + [20] * 7 + [1] * 3)[:, np.newaxis]
    centroids = np.stack([rows[near[:, 0] == number].mean(axis=0) for number in range(11)])
    return rows, near, centroids


def test_a_heavy_list_takes_the_places_of_light_ones(clustered):
    rows, near, centroids = heavy_and_light(clustered)
    balanced = split_heavy(rows, near, centroids, generator())
    assert (balanced[1:8] == centroids[1:8]).all()
    assert (balanced[8:] != centroids[8:]).any(axis=1).all()
    pieces = np.bincount(nearest_centroid(rows[:200], balanced[[0, 8, 9, 10]]))
    assert pieces.max() < 150


def test_lists_of_about_a_size_are_left_alone(clustered):
    rows, _, centroids = heavy_and_light(clustered)
    even = np.arange(len(rows))[:, np.newaxis] % 11
    assert split_heavy(rows, even, centroids, generator()) is centroids
    just = np.repeat(np.arange(11), [int(HEAVY * 22) - 2] + [22] * 10)[:, np.newaxis]
    assert split_heavy(rows[: len(just)], just, centroids, generator()) is centroids


def test_rows_that_are_spilled_into_a_list_make_it_heavy(clustered):
    """Each row's own lists are even; the second list of most is the first."""
    rows = clustered(600)
    near = np.stack([np.arange(600) % 20, np.where(np.arange(600) % 20 == 0, 1, 0)], axis=1)
    near[near[:, 0] == 19] = [18, 0]
    centroids = rows[:20].copy()
    balanced = split_heavy(rows, near, centroids, generator())
    changed = (balanced != centroids).any(axis=1)
    assert changed[[0, 19]].all()
    assert not changed[1:19].any()


def test_equal_rows_are_not_parted(clustered):
    rows, near, centroids = heavy_and_light(clustered)
    rows[:200] = rows[0]
    hashes = row_hashes(rows)
    balanced = split_heavy(rows, near, centroids, generator(), hashes)
    assert (balanced == centroids).all()
    rows[:100] = rows[300]  # Two vectors, a hundred times each: two lists.
    balanced = split_heavy(rows, near, centroids, generator(), row_hashes(rows))
    assert (balanced != centroids).any(axis=1).sum() == 2
    assert len(np.unique(nearest_centroid(rows[:200], balanced))) == 2


def test_no_place_is_given_twice(clustered):
    rows = clustered(1280)
    near = np.repeat(np.arange(20), [450, 400, *[30] * 14, 3, 3, 2, 2])[:, np.newaxis]
    balanced = split_heavy(rows, near, rows[:20].copy(), generator())
    changed = (balanced != rows[:20]).any(axis=1)
    assert np.flatnonzero(changed).tolist() == [0, 16, 17, 18, 19]  # The heaviest takes all that there are.


@pytest.mark.parametrize("lists", [200, 1200])
def test_a_fit_leaves_lists_that_are_more_of_a_size(lists, monkeypatch):
    """Clusters of widely different sizes and widths."""
    made = np.random.default_rng(1)
    centres, shares = made.standard_normal((60, 16)) * 3, made.pareto(0.7, 60) + 0.1
    owners = made.choice(60, 6000, p=shares / shares.sum())
    widths = made.lognormal(-1, 1, 60)[owners, np.newaxis]
    rows = (centres[owners] + widths * made.standard_normal((6000, 16))).astype(np.float32)

    def largest() -> float:
        return np.mean([loads(IVF(lists=lists, spill=1, seed=seed).fit(rows), rows).max() for seed in range(3)])

    split = largest()
    monkeypatch.setattr(hierarchical, "split_heavy", lambda sample, near, centroids, *_: centroids)
    assert split < 0.9 * largest()


@pytest.mark.parametrize("lists", [200, 1200])
@pytest.mark.parametrize("share", [0.3, 0.5])
def test_a_tight_cluster_is_parted_as_the_rest_is(clustered, lists, share):
    rows = tight_cluster(clustered(6000), share)
    held = loads(IVF(lists=lists).fit(rows), rows)
    assert held.max() < 5 * held.mean()


@pytest.mark.parametrize("lists", [200, 1200])
def test_half_of_the_rows_repeated(clustered, lists):
    rows = repeated(clustered(6000), 0.5)
    model = IVF(lists=lists, spill=2).fit(rows)
    held = loads(model, rows)
    assert model.lists_ == lists
    assert len(distinct_rows(model.centroids_)) == lists
    assert np.sort(held)[-2:].min() >= 3000  # The two lists of the one vector: nothing can be done.
    assert np.sort(held)[-3] < 8 * 2 * 3000 / lists
    assert (held > 0).mean() > 0.9


@pytest.mark.parametrize("lists", [200, 1200])
def test_what_is_split_is_the_same_every_time(clustered, lists):
    rows = tight_cluster(repeated(clustered(6000), 0.2), 0.3)
    assert fingerprint(IVF(lists=lists, seed=4).fit(rows)) == fingerprint(IVF(lists=lists, seed=4).fit(rows.copy()))


def test_every_list_is_examined_by_a_group(clustered):
    """Lists far from all others are near no group's centre."""
    rows = clustered(3000, dims=48)
    rows[-300:] *= 3
    groups = make_groups(rows, 512, generator())
    assert len(np.unique(groups.examined)) == len(rows)
    assert (nearest_lists(NumpyDistances(rows), rows, 1, groups)[:, 0] == np.arange(3000)).mean() > 0.99


def test_a_group_of_more_lists_than_are_examined(clustered):
    """It examines those that are nearest to its centre."""
    rows = np.concatenate([clustered(900), clustered(100) + np.float32(30)])
    groups = make_groups(rows, 30, generator())
    assert all(len(np.unique(examined)) == 30 for examined in groups.examined)
    own = nearest_centroid(rows, groups.centres)
    large = np.flatnonzero(np.bincount(own) > 30)
    assert large.size
    for group in large:
        gaps = np.linalg.norm(rows - groups.centres[group], axis=1)
        assert gaps[groups.examined[group]].max() <= np.sort(gaps)[29] * 1.001
