"""For any small sample: centroids, tokens, probes and their agreement."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lsh_core.metrics import metric_named
from lsh_core.models import fingerprint, load_model, make_model, model_names
from lsh_core.models.assignment import make_groups, nearest_lists
from lsh_core.models.distances import NumpyDistances
from lsh_core.models.hierarchical import fit_centroids, share_lists
from lsh_core.models.multiprobe import nearest_buckets
from lsh_core.models.serialisation import join_parts, split_parts

# Few values, so that rows repeat.
samples = st.tuples(st.integers(2, 60), st.integers(1, 4)).flatmap(
    lambda shape: arrays(np.float32, shape, elements=st.sampled_from([-2.0, -0.5, 0.0, 1.0, 3.0]))
)
metrics = st.sampled_from(["l2", "cosine", "dot"])


def with_direction(sample: np.ndarray, metric: str) -> np.ndarray:
    return np.where(sample.any(axis=1, keepdims=True), sample, np.float32(1)) if metric == "cosine" else sample


@given(samples, st.integers(1, 80), st.integers(0, 5))
def test_centroids_are_distinct_and_as_many_as_can_be(sample, lists, seed):
    centroids = fit_centroids(sample, lists, np.random.default_rng(seed))
    assert len(centroids) == min(lists, len(np.unique(sample, axis=0)))
    assert len(np.unique(centroids, axis=0)) == len(centroids)
    assert np.isfinite(centroids).all()


@given(samples, metrics, st.integers(1, 20), st.integers(1, 6), st.integers(1, 30))
def test_ivf_encodes_and_probes_alike(sample, metric, lists, spill, probes):
    sample = with_direction(sample, metric)
    model = make_model("ivf", metric=metric, lists=lists, spill=min(spill, lists)).fit(sample)
    codes, asked = model.encode(sample, near=probes), model.probe(sample, probes)
    assert codes.tokens.shape[1] == model.tokens_per_row <= model.lists_
    assert codes.near is not None
    assert codes.near.shape == asked.shape
    centroids = model.centroids_.astype(np.float64)
    queries = metric_named(metric).prepare_queries(sample).astype(np.float64)

    def gaps(vectors: np.ndarray) -> np.ndarray:
        return ((vectors[:, None] - centroids[None]) ** 2).sum(axis=2)

    by_probe = -queries @ centroids.T if metric == "dot" else gaps(queries)
    rows = metric_named(metric).prepare_rows(sample, getattr(model, "longest_", None)).astype(np.float64)
    assert (np.diff(np.sort(codes.tokens, axis=1), axis=1) > 0).all()
    for found, measures in ((codes.tokens[:, :1], gaps(rows)), (codes.near, by_probe), (asked, by_probe)):
        assert (np.sort(found, axis=1)[:, 1:] != np.sort(found, axis=1)[:, :-1]).all()
        chosen = np.take_along_axis(measures, found, axis=1)
        best = np.sort(measures, axis=1)[:, : found.shape[1]]
        # Which of two equal distances comes first is open; the distances themselves are not.
        np.testing.assert_allclose(chosen, best, rtol=1e-3, atol=1e-4)


@given(samples, metrics, st.integers(1, 5), st.integers(1, 32), st.integers(0, 20))
def test_hyperplane_encodes_and_probes_alike(sample, metric, tables, bits, multiprobe):
    sample = with_direction(sample, metric)
    model = make_model("hyperplane", metric=metric, tables=tables, bits=bits, multiprobe=multiprobe).fit(sample)
    tokens = model.encode(sample).tokens
    assert (tokens >> bits == np.arange(tables)).all()
    probes = model.probe(sample, 1).reshape(len(sample), -1, tables)
    assert metric == "dot" or (probes[:, 0] == tokens).all()
    assert (probes >> bits == np.arange(tables)).all()
    assert probes.shape[1] == 1 + min(multiprobe, 2**bits - 1)
    assert all(len(np.unique(query)) == query.size for query in probes)


@given(
    arrays(
        np.float32,
        st.tuples(st.integers(1, 3), st.integers(1, 2), st.integers(1, 6)),
        elements=st.floats(0, 9, width=32),
    ),
    st.integers(1, 63),
)
def test_the_nearest_buckets_are_those_of_the_lowest_scores(distances, count):
    bits = distances.shape[2]
    count = min(count, 2**bits - 1)
    differ = nearest_buckets(distances, count)
    every = (np.arange(1, 2**bits)[:, None] >> np.arange(bits)) & 1
    scores = np.einsum("ntb,mb->ntm", distances.astype(np.float64) ** 2, every)
    assert (np.sort(differ, axis=2)[:, :, 1:] != np.sort(differ, axis=2)[:, :, :-1]).all()
    found = np.take_along_axis(scores, differ - 1, axis=2)
    np.testing.assert_allclose(found, np.sort(scores, axis=2)[:, :, :count], rtol=1e-4, atol=1e-6)


@given(samples, metrics, st.sampled_from(model_names()), st.integers(0, 2**32 - 1))
def test_states_come_back(sample, metric, kind, seed):
    sample = with_direction(sample, metric)
    model = make_model(kind, metric=metric, seed=seed).fit(sample)
    back = load_model(kind, *model.state())
    assert fingerprint(back) == fingerprint(model)
    assert (back.encode(sample).tokens == model.encode(sample).tokens).all()
    assert back.encode(sample * np.float32(2)).beyond_norm == model.encode(sample * np.float32(2)).beyond_norm
    assert model.encode(sample).beyond_norm == 0


@given(st.integers(0, 100), st.integers(1, 20), st.integers(0, 3))
def test_examining_all_lists_in_two_levels_is_exact(rows, count, seed):
    generator = np.random.default_rng(seed)
    centroids = generator.standard_normal((130, 5), dtype=np.float32)
    vectors = generator.standard_normal((rows, 5), dtype=np.float32)
    groups = make_groups(centroids, 130, generator)
    distances = NumpyDistances(centroids)
    assert (nearest_lists(distances, vectors, count, groups) == nearest_lists(distances, vectors, count)).all()


@given(st.lists(st.tuples(st.integers(0, 1000), st.floats(0.01, 1)), min_size=1, max_size=40), st.floats(0, 1))
def test_shares_add_up_within_capacity(clusters, part):
    rows = np.array([count for count, _ in clusters])
    capacity = np.ceil(rows * np.array([share for _, share in clusters])).astype(np.int64)
    lists = int(part * capacity.sum())
    shares = share_lists(rows, capacity, lists)
    assert shares.sum() == lists
    assert (shares >= 0).all()
    assert (shares <= capacity).all()


@given(st.integers(1, 10**6), st.integers(2, 60))
def test_shares_follow_rows(rows, clusters):
    held = np.full(clusters, rows)
    shares = share_lists(held, held, min(clusters * 3, int(held.sum())))
    assert (shares == min(3, rows)).all()


@given(st.binary(max_size=200), st.integers(1, 50))
def test_parts_join_to_what_was_split(data, size):
    parts = list(split_parts(data, size))
    assert all(len(part.data) <= size for part in parts)
    assert join_parts(parts, "it") == data
