from __future__ import annotations

import numpy as np
import pytest

from lsh_core.models import IVF, fingerprint
from lsh_core.models.assignment import make_groups, nearest_lists
from lsh_core.models.balance import HEAVY, LIGHT, parted_rows, split_heavy
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


def test_places_that_there_are_not_cannot_be_taken(clustered):
    rows = clustered(400)
    near = np.repeat(np.arange(4), [250, 50, 50, 50])[:, np.newaxis]
    assert LIGHT * 100 < 50 or HEAVY * 100 > 250 or split_heavy(rows, near, rows[:4], generator()).shape == (4, 16)


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
    assert (nearest_lists(rows, rows, 1, groups)[:, 0] == np.arange(3000)).mean() > 0.99


def test_a_group_of_more_lists_than_are_examined(clustered):
    rows = np.concatenate([clustered(900), clustered(100) + np.float32(1000)])
    groups = make_groups(rows, 60, generator())
    assert groups.examined.shape == (15, 60)
    assert all(len(np.unique(examined)) == 60 for examined in groups.examined)
    assert np.isin(groups.examined, range(1000)).all()
