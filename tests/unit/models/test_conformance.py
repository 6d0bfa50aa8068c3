"""What every model promises, run over all of them."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from lsh_core.errors import ModelMismatchError, SettingsError, VectorError
from lsh_core.evaluation.exact import exact_neighbours
from lsh_core.models import MODELS, default_sample, fingerprint, load_model, make_model
from lsh_core.models.metrics import SIMILARITY
from lsh_core.models.serialisation import dump_array, load_array

SMALL = {
    "ivf": {"lists": 30, "spill": 3},
    "hyperplane": {"tables": 12, "bits": 6, "multiprobe": 2},
    "subspace": {"parts": 3, "clusters": 5},
    "hnsw": {"m": 4, "ef_construction": 20},
}
LARGE = {
    "ivf": {"lists": 1200, "spill": 2},
    "hyperplane": {"tables": 40, "bits": 18, "multiprobe": 0},
    "subspace": {"parts": 5, "clusters": 20},
    "hnsw": {"m": 64, "ef_construction": 400},
}

CASES = [
    pytest.param(kind, metric, knobs[kind], id=f"{kind}-{metric}-{size}")
    for kind in MODELS
    for metric in SIMILARITY
    for size, knobs in (("small", SMALL), ("large", LARGE))
]
WITHOUT_TOKENS = {"hnsw"}
TOKEN_CASES = [case for case in CASES if case.values[0] not in WITHOUT_TOKENS]
# Under dot a row is not its own nearest: what it is indexed under is not what a query with its vector asks for.
NEAREST_TO_ITSELF = [case for case in TOKEN_CASES if "dot" not in case.values]
# And the angles are wider: 18 planes seldom leave a query and its best row on the same sides.
FINDING = [case for case in TOKEN_CASES if case.id != "hyperplane-dot-large"]


@pytest.fixture(scope="module")
def sample(clustered):
    return clustered(3000)


@pytest.fixture(scope="module")
def fitted(sample):
    """Fit a model of each case once."""
    made = {}

    def get(kind, metric, knobs):
        key = (kind, metric, tuple(knobs.items()))
        if key not in made:
            made[key] = make_model(kind, metric=metric, seed=5, **knobs).fit(sample, rows=100_000)
        return made[key]

    return get


def learned_names(model):
    return {name for name in vars(model) if name.endswith("_")}


def test_every_kind_has_a_case():
    assert set(SMALL) == set(LARGE) == set(MODELS)


@pytest.mark.parametrize(("kind", "metric", "knobs"), CASES)
def test_either_tokens_or_a_graph(kind, metric, knobs, fitted):
    model = fitted(kind, metric, knobs)
    assert bool(model.graph) == (kind in WITHOUT_TOKENS)
    assert (model.tokens_per_row > 0) == (model.token_count > 0) == (kind not in WITHOUT_TOKENS)


@pytest.mark.parametrize("kind", MODELS)
def test_init_only_stores_its_arguments(kind):
    model = MODELS[kind]()
    stored = vars(model)
    assert stored == model.get_params()
    assert set(stored) == set(inspect.signature(MODELS[kind]).parameters)
    assert (stored["metric"], stored["seed"]) == ("l2", 0)


@pytest.mark.parametrize(("kind", "metric", "knobs"), CASES)
def test_repr_makes_the_same_model(kind, metric, knobs):
    model = make_model(kind, metric=metric, seed=9, **knobs)
    assert eval(repr(model), {type(model).__name__: type(model)}).get_params() == model.get_params()


@pytest.mark.parametrize(("kind", "metric", "knobs"), CASES)
def test_fit_keeps_arguments_and_returns_itself(kind, metric, knobs, sample):
    model = make_model(kind, metric=metric, **knobs)
    before = model.get_params()
    assert model.fit(sample) is model
    assert model.get_params() == before


@pytest.mark.parametrize(("kind", "metric", "knobs"), CASES)
def test_shapes_and_types(kind, metric, knobs, fitted, sample):
    model = fitted(kind, metric, knobs)
    codes = model.encode(sample[:50], near=5)
    assert model.dims == 16
    assert codes.tokens.dtype == np.int64
    assert codes.tokens.shape == (50, model.tokens_per_row)
    assert all(len(np.unique(row)) == len(row) for row in codes.tokens)
    assert (codes.near is not None) == (model.retrieval == "lists")
    if codes.near is not None:
        assert codes.near.dtype == np.int64
        assert codes.near.shape == (50, 5)
        assert metric == "dot" or (codes.near[:, : model.tokens_per_row] == codes.tokens).all()
        assert all(len(np.unique(row)) == len(row) for row in codes.near)
    assert model.encode(sample[:50]).near is None
    probe = model.probe(sample[:7], 4)
    assert probe.dtype == np.int64
    assert probe.ndim == 2
    assert len(probe) == 7


@pytest.mark.parametrize(("kind", "metric", "knobs"), NEAREST_TO_ITSELF)
def test_probe_of_a_row_hits_its_own_tokens(kind, metric, knobs, fitted, sample):
    model = fitted(kind, metric, knobs)
    effort = model.default_effort(100_000)
    tokens = model.encode(sample).tokens
    probes = model.probe(sample, effort)
    shared = [bool(np.intersect1d(own, asked).size) for own, asked in zip(tokens, probes, strict=True)]
    assert all(shared)


@pytest.mark.parametrize(("kind", "metric", "knobs"), FINDING)
def test_most_neighbours_are_found(kind, metric, knobs, fitted, clustered):
    model = fitted(kind, metric, knobs)
    points = clustered(3200)
    rows, queries = points[:3000], points[3000:]
    nearest = exact_neighbours(rows, queries, 1, metric)[0][:, 0]
    tokens, probes = model.encode(rows).tokens, model.probe(queries, model.default_effort(3000))
    found = (tokens[nearest][:, :, None] == probes[:, None, :]).any(axis=(1, 2))
    assert found.mean() >= 0.9


@pytest.mark.parametrize(("kind", "metric", "knobs"), CASES)
def test_same_seed_and_sample_same_model(kind, metric, knobs, fitted, sample):
    first = fitted(kind, metric, knobs)
    again = make_model(kind, metric=metric, seed=5, **knobs).fit(sample.copy(), rows=100_000)
    other_seed = make_model(kind, metric=metric, seed=6, **knobs).fit(sample, rows=100_000)
    other_sample = make_model(kind, metric=metric, seed=5, **knobs).fit(sample[::-1].copy(), rows=100_000)
    assert fingerprint(again) == fingerprint(first)
    distinct = {fingerprint(model) for model in (first, other_seed, other_sample)}
    assert len(distinct) == (2 if kind in WITHOUT_TOKENS else 3)  # A graph is the server's: nothing of the sample.


@pytest.mark.parametrize(("kind", "metric", "knobs"), CASES)
def test_threads_do_not_change_the_model(kind, metric, knobs, fitted, sample):
    from threadpoolctl import threadpool_limits

    found = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            found.append(fingerprint(make_model(kind, metric=metric, seed=5, **knobs).fit(sample, rows=100_000)))
    assert found == [fingerprint(fitted(kind, metric, knobs))] * 2


@pytest.mark.parametrize(("kind", "metric", "knobs"), CASES)
def test_refit_forgets(kind, metric, knobs, fitted, sample, clustered):
    model = make_model(kind, metric=metric, seed=5, **knobs)
    model.fit(clustered(100, dims=5)).probe(clustered(2, dims=5), 3)
    model.fit(sample, rows=100_000)
    assert fingerprint(model) == fingerprint(fitted(kind, metric, knobs))
    assert learned_names(model) == learned_names(fitted(kind, metric, knobs))
    assert (model.probe(sample[:9], 3) == fitted(kind, metric, knobs).probe(sample[:9], 3)).all()


@pytest.mark.parametrize(("kind", "metric", "knobs"), CASES)
def test_state_round_trip(kind, metric, knobs, fitted, sample):
    import orjson

    model = fitted(kind, metric, knobs)
    document, arrays = model.state()
    read = orjson.loads(orjson.dumps(document))
    back = load_model(kind, read, {name: load_array(dump_array(array)) for name, array in arrays.items()})
    assert fingerprint(back) == fingerprint(model)
    assert repr(back) == repr(model)
    assert learned_names(back) == learned_names(model)
    effort = model.default_effort(5000)
    assert back.default_effort(5000) == effort
    assert (back.probe(sample[:20], effort) == model.probe(sample[:20], effort)).all()
    mine, theirs = model.encode(sample, near=6), back.encode(sample, near=6)
    assert (mine.tokens == theirs.tokens).all()
    assert mine.near is None or (mine.near == theirs.near).all()


@pytest.mark.parametrize(("kind", "metric", "knobs"), CASES)
def test_state_says_where_the_model_comes_from(kind, metric, knobs, fitted, sample):
    import hashlib

    document, _ = fitted(kind, metric, knobs).state()
    assert document["backend"] == "numpy"
    assert document["dtype"] == "float32"
    assert document["versions"] == {"numpy": np.__version__}
    assert document["params"]["seed"] == 5
    assert document["sample"] == {"rows": 3000, "sha256": hashlib.sha256(sample.tobytes()).hexdigest()}


@pytest.mark.parametrize(("kind", "metric", "knobs"), CASES)
def test_no_rows_and_one_row(kind, metric, knobs, fitted, sample):
    model = fitted(kind, metric, knobs)
    none = model.encode(sample[:0], near=4)
    assert none.tokens.shape == (0, model.tokens_per_row)
    assert none.near is None or none.near.shape == (0, 4)
    assert len(model.probe(sample[:0], 3)) == 0
    assert model.encode(sample[:1]).tokens.shape == (1, model.tokens_per_row)
    assert len(model.probe(sample[:1], 3)) == 1


@pytest.mark.parametrize(("kind", "metric", "knobs"), CASES)
def test_layout_in_memory_does_not_matter(kind, metric, knobs, fitted, sample):
    model = fitted(kind, metric, knobs)
    expected = model.encode(sample[:400], near=3)
    wide = np.zeros((400, 32), dtype=np.float32)
    wide[:, ::2] = sample[:400]
    for same in (np.asfortranarray(sample[:400]), wide[:, ::2]):
        got = model.encode(same, near=3)
        assert (got.tokens == expected.tokens).all()
        assert (model.probe(same, 4) == model.probe(sample[:400], 4)).all()
        refit = make_model(kind, metric=metric, seed=5, **knobs).fit(np.asfortranarray(sample), rows=100_000)
    assert fingerprint(refit) == fingerprint(model)


@pytest.mark.parametrize(("kind", "metric", "knobs"), CASES)
def test_input_is_left_alone(kind, metric, knobs, sample):
    given = sample.copy()
    given.flags.writeable = False
    model = make_model(kind, metric=metric, **knobs).fit(given)
    model.encode(given, near=3)
    model.probe(given[:5], 3)
    assert (given == sample).all()


@pytest.mark.parametrize(("kind", "metric", "knobs"), CASES)
def test_other_lengths_are_refused_with_both(kind, metric, knobs, fitted, clustered):
    model = fitted(kind, metric, knobs)
    for call in (model.encode, lambda vectors: model.probe(vectors, 1)):
        with pytest.raises(ModelMismatchError, match=r"vectors of 16 numbers, given 15"):
            call(clustered(3, dims=15))


@pytest.mark.parametrize(("kind", "metric", "knobs"), CASES)
@pytest.mark.parametrize("wrong", ["float64", "float16", "one row without its axis", "a list"])
def test_only_float32_matrices(kind, metric, knobs, fitted, sample, wrong):
    model = fitted(kind, metric, knobs)
    vectors = {
        "float64": sample.astype(np.float64),
        "float16": sample.astype(np.float16),
        "one row without its axis": sample[0],
        "a list": sample.tolist(),
    }[wrong]
    for call in (model.encode, lambda given: model.probe(given, 1), make_model(kind, metric=metric).fit):
        with pytest.raises(VectorError, match=r"expected a float32 array \(rows, dims\), found"):
            call(vectors)


@pytest.mark.parametrize(("kind", "metric", "knobs"), CASES)
@pytest.mark.parametrize("bad", [np.nan, np.inf, 3e20])
def test_rows_that_are_not_finite_are_refused(kind, metric, knobs, fitted, sample, bad):
    vectors = sample[:20].copy()
    vectors[7, 3] = bad
    for call in (fitted(kind, metric, knobs).encode, make_model(kind, metric=metric).fit):
        with pytest.raises(VectorError, match="vector 7 has a component that is not finite") as caught:
            call(vectors)
        assert caught.value.row == 7


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("tiny", [0.0, 1e-21])
def test_zero_rows(kind, fitted, sample, tiny):
    vectors = sample[:20].copy()
    vectors[4] = tiny
    cosine = fitted(kind, "cosine", SMALL[kind])
    for call in (cosine.encode, lambda given: cosine.probe(given, 3), make_model(kind, metric="cosine").fit):
        with pytest.raises(VectorError, match="vector 4 has no direction"):
            call(vectors)
    for metric in ("l2", "dot"):
        model = fitted(kind, metric, SMALL[kind])
        assert len(model.encode(vectors, near=2).tokens) == len(model.probe(vectors, 3)) == 20
        make_model(kind, metric=metric).fit(vectors)


@pytest.mark.parametrize("kind", MODELS)
def test_cosine_ignores_length(kind, fitted, sample):
    model = fitted(kind, "cosine", SMALL[kind])
    assert (model.encode(sample * np.float32(4)).tokens == model.encode(sample).tokens).all()


@pytest.mark.parametrize("kind", sorted(set(MODELS) - WITHOUT_TOKENS))
def test_dot_ignores_the_length_of_queries(kind, fitted, sample):
    model = fitted(kind, "dot", SMALL[kind])
    for scale in (1e-15, 2**-9, 2**9, 1e15):
        assert (model.probe(sample[:50] * np.float32(scale), 4) == model.probe(sample[:50], 4)).mean() > 0.99


@pytest.mark.parametrize("kind", MODELS)
def test_rows_longer_than_the_sample_are_counted(kind, fitted, sample):
    model = fitted(kind, "dot", SMALL[kind])
    lengths = np.linalg.norm(sample, axis=1)
    longer = sample[:50] * (lengths.max() / lengths[:50] * np.linspace(0.5, 2, 50))[:, None].astype(np.float32)
    assert model.longest_ == pytest.approx(lengths.max())
    assert model.encode(sample).longer == 0
    assert model.encode(longer).longer == 33
    assert model.encode(longer).tokens.shape == (50, model.tokens_per_row)
    for metric in ("l2", "cosine"):
        assert fitted(kind, metric, SMALL[kind]).encode(longer).longer == 0


@pytest.mark.parametrize("kind", sorted(set(MODELS) - WITHOUT_TOKENS))
def test_what_is_found_by_dot_is_among_few_rows(kind, clustered):
    """Rows of widely different lengths, and queries that are none of them."""
    generator = np.random.default_rng(4)
    points = clustered(4300, dims=12, clusters=60)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    rows = points[:4000] * generator.lognormal(0, 0.4, (4000, 1)).astype(np.float32)
    queries = points[4000:]
    best, _ = exact_neighbours(rows, queries, 10, "dot")
    model = make_model(kind, metric="dot").fit(rows)
    tokens = model.encode(rows).tokens
    found = []
    for probe, wanted in zip(model.probe(queries, 40), best, strict=True):
        shared = np.isin(tokens, probe).sum(axis=1)
        scored = np.argsort(-shared, kind="stable")[: min(400, np.count_nonzero(shared))]
        found.append(np.isin(wanted, scored).mean())
    assert np.mean(found) >= 0.9


@pytest.mark.parametrize("kind", MODELS)
def test_only_models_by_dot_keep_a_length(kind, fitted):
    """Those by other metrics are stored as they always were, and those that were stored before can be read."""
    for metric in SIMILARITY:
        document, _ = fitted(kind, metric, SMALL[kind]).state()
        assert ("longest" in document["learned"]) == (metric == "dot")


@pytest.mark.parametrize("kind", MODELS)
def test_another_length_is_another_model(kind, fitted):
    document, arrays = fitted(kind, "dot", SMALL[kind]).state()
    other = {**document, "learned": {**document["learned"], "longest": 99.0}}
    assert fingerprint(load_model(kind, other, arrays)) != fingerprint(load_model(kind, document, arrays))


@pytest.mark.parametrize("kind", MODELS)
def test_use_before_fit(kind, sample):
    model = make_model(kind)
    for call in (model.state, lambda: model.encode(sample), lambda: model.probe(sample, 1), lambda: model.dims):
        with pytest.raises(ModelMismatchError, match="never fitted"):
            call()


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize(("name", "value"), [("metric", "jaccard"), ("metric", "ip"), ("seed", -1), ("seed", 2**32)])
def test_shared_settings_are_checked_at_fit(kind, name, value, sample):
    with pytest.raises(SettingsError) as caught:
        make_model(kind, **{name: value}).fit(sample)
    assert (caught.value.setting, caught.value.value) == (name, value)


@pytest.mark.parametrize("kind", MODELS)
def test_efforts_and_rows_below_one(kind, fitted, sample):
    model = fitted(kind, "l2", SMALL[kind])
    with pytest.raises(SettingsError, match=model.effort_name):
        model.probe(sample[:2], 0)
    with pytest.raises(SettingsError, match="rows"):
        make_model(kind).fit(sample, rows=0)


@pytest.mark.parametrize("kind", MODELS)
def test_samples_that_are_too_small(kind, sample):
    for shape in ((0, 16), (1, 16), (5, 0)):
        with pytest.raises(VectorError, match="too small"):
            make_model(kind).fit(np.ones(shape, dtype=np.float32))


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize(("metric", "value"), [("l2", 2.0), ("cosine", 2.0), ("dot", 2.0), ("dot", 0.0)])
def test_one_value_repeated(kind, metric, value):
    same = np.full((50, 8), value, dtype=np.float32)
    model = make_model(kind, metric=metric).fit(same, rows=1000)
    assert all(np.isfinite(array).all() for array in model.state()[1].values())
    tokens = model.encode(same).tokens
    assert (tokens == tokens[0]).all()


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("rows", [2, 10, 1000, 10_000, 1_000_000, 100_000_000])
def test_defaults_for_every_size(kind, rows, fitted):
    for dims in (2, 128, 768, 1536):
        size = default_sample(kind, rows, dims)
        assert 2 <= size <= rows
        assert size * dims * 4 <= 256 * 2**20
    assert fitted(kind, "l2", SMALL[kind]).default_effort(rows) >= 1


@pytest.mark.parametrize("kind", MODELS)
def test_defaults_fit_tiny_samples(kind, clustered):
    model = make_model(kind).fit(clustered(12, dims=3))
    assert model.encode(clustered(5, dims=3)).tokens.shape == (5, model.tokens_per_row)


@pytest.mark.parametrize("kind", MODELS)
def test_state_of_another_kind_is_refused(kind, fitted):
    document, arrays = fitted(kind, "l2", SMALL[kind]).state()
    for name in ("kind", "backend", "dtype"):
        with pytest.raises(ModelMismatchError, match="another"):
            load_model(kind, {**document, name: "another"}, arrays)
