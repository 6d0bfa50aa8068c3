"""Further lists of rows by SOAR, against a plain loop in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lsh_core.models import make_model
from lsh_core.models.distances import NumpyDistances
from lsh_core.models.soar import CANDIDATES, spilled_lists
from lsh_core.models.tensorflow_hashing import TensorFlowDistances

BACKENDS = [NumpyDistances, TensorFlowDistances]


def losses_of(row, centroids, chosen, weight):
    """The loss of each of the centroids after those that were chosen, by the words of the paper."""
    losses = []
    for centroid in centroids:
        residual = row - centroid
        loss = float(residual @ residual)
        for place in chosen:
            other = row - centroids[place]
            length = math.sqrt(float(other @ other))
            if length > 0:
                loss += weight * (float(residual @ other) / length) ** 2
        losses.append(loss)
    return losses


def check_against_the_loop(vectors, centroids, nearest, chosen, weight):
    """Each further list has the least loss after those before it, up to the rounding of float32."""
    differ = 0
    for row, candidates, lists in zip(vectors.astype(np.float64), nearest, chosen, strict=True):
        places = [candidates.tolist().index(each) for each in lists]
        assert places[0] == 0
        assert len(set(places)) == len(places)
        for step in range(1, len(places)):
            held = centroids[candidates].astype(np.float64)
            losses = losses_of(row, held, places[:step], weight)
            left = [place for place in range(len(candidates)) if place not in places[:step]]
            best = min(left, key=losses.__getitem__)
            scale = (1 + weight * step) * float(row @ row + (held**2).sum(axis=1).max())
            assert losses[places[step]] <= losses[best] + 1e-5 * scale
            differ += best != places[step]
    return differ


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("metric", ["l2", "cosine", "dot"])
@pytest.mark.parametrize(("lists", "spill", "soar"), [(60, 3, 1.5), (60, 5, 0.3), (20, 16, 2.0), (7, 4, 1.0)])
def test_lists_are_those_of_a_plain_loop(backend, metric, lists, spill, soar, clustered):
    rows = clustered(900)
    rows *= np.random.default_rng(0).lognormal(0, 0.4, (900, 1)).astype(np.float32)
    name = "numpy" if backend is NumpyDistances else "tensorflow"
    model = make_model("ivf", metric=metric, lists=lists, spill=spill, soar=soar, hash_backend=name).fit(rows)
    asked = rows[:150]
    tokens, prepared = model.encode(asked).tokens, model._prepare_rows(asked)
    nearest = np.empty((150, min(CANDIDATES, lists)), np.int64)
    backend(model.centroids_).nearest(prepared, np.arange(150), None, nearest)
    assert prepared.shape[1] == 16 + (metric == "dot")
    differ = check_against_the_loop(prepared, model.centroids_, nearest, tokens, soar)
    assert differ <= 2


@pytest.mark.parametrize("metric", ["l2", "cosine", "dot"])
def test_soar_chooses_other_lists_than_nearness_and_none_twice(metric, clustered):
    rows = clustered(1500)
    nearest, spread = (make_model("ivf", metric=metric, lists=80, soar=soar).fit(rows) for soar in (0, None))
    assert (nearest.soar_, spread.soar_) == (0.0, 1.5)
    near = spread.encode(rows, near=3)
    assert (nearest.encode(rows).tokens[:, 0] == near.tokens[:, 0]).mean() > 0.999
    assert (near.tokens[:, 1:] != nearest.encode(rows).tokens[:, 1:]).mean() > 0.1
    if metric != "dot":
        assert (near.near[:, 0] == near.tokens[:, 0]).all()
    assert (nearest.encode(rows).tokens == nearest.encode(rows, near=16).tokens).all()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("size", [0.0, 1e-30, 1e-22, 1.0, 1e18, 1.2e19])
def test_rows_on_centroids_and_lengths_at_the_ends_of_float32(backend, size):
    generator = np.random.default_rng(2)
    centroids = generator.standard_normal((20, 4)).astype(np.float32)
    centroids *= np.float32(size) / np.linalg.norm(centroids, axis=1, keepdims=True)
    nearest = np.array([generator.permutation(20)[:16] for _ in range(20)])
    on = centroids[nearest[:, 0]]
    for rows in (on, -on, on * np.float32(0.5)):
        chosen = backend(centroids).spilled(rows, nearest, count=16, weight=2.0)
        assert (np.sort(chosen, axis=1) == np.sort(nearest, axis=1)).all()
        assert (chosen[:, 0] == nearest[:, 0]).all()
    # On its centroid a row has no residual: the second list is then the nearest of the others.
    chosen = backend(centroids).spilled(on, nearest, count=2, weight=2.0)
    if size == 1.0:
        check_against_the_loop(on, centroids, nearest, chosen, 0.0)


@pytest.mark.parametrize("backend", BACKENDS)
def test_of_equal_losses_the_nearest_list_is_chosen(backend):
    centroids = np.array([[0, 1], [0, -1], [1, 0], [-1, 0], [1, 0]], np.float32)
    nearest = np.array([[0, 1, 2, 3, 4], [4, 3, 1, 0, 2]])
    chosen = backend(centroids).spilled(np.zeros((2, 2), np.float32), nearest, count=3, weight=1.0)
    assert chosen.tolist() == [[0, 2, 1], [4, 1, 3]]


def test_a_row_gets_the_same_lists_in_any_block(monkeypatch, clustered):
    rows, centroids = clustered(700), clustered(50, seed=3)
    nearest = np.empty((700, 16), np.int64)
    NumpyDistances(centroids).nearest(rows, np.arange(700), None, nearest)
    given = {"count": 4, "weight": 1.5}
    whole = spilled_lists(rows, centroids, nearest, **given)
    alone = [spilled_lists(rows[n : n + 1], centroids, nearest[n : n + 1], **given)[0] for n in range(700)]
    monkeypatch.setattr("lsh_core.models.soar.BLOCK_BYTES", 7000)
    assert (spilled_lists(rows, centroids, nearest, **given) == whole).all()
    assert (np.array(alone) == whole).all()


def test_no_rows_have_no_lists():
    chosen = spilled_lists(
        np.empty((0, 4), np.float32), np.ones((9, 4), np.float32), np.empty((0, 9), np.int64), count=3, weight=1
    )
    assert chosen.shape == (0, 3)
