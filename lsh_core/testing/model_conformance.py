"""Conformance tests of models: the contract of :class:`lsh_core.models.LSHModel`, for any metric."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
import orjson
import pytest
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from lsh_core.errors import ModelMismatchError, SettingsError, VectorError
from lsh_core.exact.nearest_rows import exact_neighbours
from lsh_core.metrics import metric_named
from lsh_core.models.arrays import Float32Array, Int64Array
from lsh_core.models.contract import LSHModel
from lsh_core.models.effort import Effort
from lsh_core.models.fingerprint import fingerprint
from lsh_core.models.serialisation import dump_array, load_array

DIMS = 16
ROWS = 100_000
"""Rows of the index that models are fitted for."""

MIN_FOUND = 0.9
"""Minimum share of nearest neighbours that share a token with a query."""

Case = tuple[str, str]
"""A metric, and the size of the knobs: ``"small"`` or ``"large"``."""


@lru_cache(maxsize=32)
def clustered(rows: int, dims: int = DIMS, clusters: int = 20, seed: int = 1) -> Float32Array:
    """Return read-only vectors ``(rows, dims)`` with clusters, as real embeddings have."""
    generator = np.random.default_rng(seed)
    centres = generator.standard_normal((clusters, dims)) * 3
    chosen = centres[generator.integers(clusters, size=rows)]
    points: Float32Array = (chosen + generator.standard_normal((rows, dims))).astype(np.float32)
    points.flags.writeable = False
    return points


def _learned_names(model: LSHModel) -> set[str]:
    return {name for name in vars(model) if name.endswith("_")}


def _default_tokens(model: LSHModel, queries: Float32Array) -> Sequence[Int64Array]:
    """Return the tokens of searches with the default effort."""
    return model.tokens_for(queries, Effort(model.effort_name, model.default_effort(ROWS)))


class ModelConformance:
    """Tests that every model passes; a subclass ``Test...`` runs them for one model.

    Attributes
    ----------
    model
        Class of the model.
    small, large
        Knobs of a small and of a large model, for 3,000 rows of 16 dimensions.
    metrics
        Names of the metrics to test.
    """

    model: ClassVar[type[LSHModel]]
    small: ClassVar[Mapping[str, Any]]
    large: ClassVar[Mapping[str, Any]]
    metrics: ClassVar[tuple[str, ...]] = ("l2", "cosine", "dot")
    min_found: ClassVar[Mapping[Case, float]] = {}
    """Minimum share of nearest neighbours that share a token, for cases where it is below `MIN_FOUND`."""

    _fitted: ClassVar[dict[Case, LSHModel]]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Parametrise tests by `case` (metric and size) or by `metric`."""
        if "metric" in metafunc.fixturenames:
            metafunc.parametrize("metric", self.metrics)
        if "case" in metafunc.fixturenames:
            cases = [(metric, size) for metric in self.metrics for size in ("small", "large")]
            metafunc.parametrize("case", cases, ids="-".join)

    @pytest.fixture
    def sample(self) -> Float32Array:
        """3,000 vectors."""
        return clustered(3000)

    def make(self, metric: str = "l2", size: str | None = None, **arguments: Any) -> LSHModel:
        """Return an unfitted model; without a size it has default knobs."""
        knobs = {} if size is None else {"small": self.small, "large": self.large}[size]
        return self.model(metric=metric, **{**knobs, **arguments})

    @classmethod
    def fitted(cls, metric: str, size: str = "small") -> LSHModel:
        """Return a model fitted on the sample with seed 5; one object per case."""
        if "_fitted" not in vars(cls):  # Each subclass keeps its own models.
            cls._fitted = {}
        if (metric, size) not in cls._fitted:
            cls._fitted[metric, size] = cls().make(metric, size, seed=5).fit(clustered(3000), rows=ROWS)
        return cls._fitted[metric, size]

    def test_names_and_knobs_are_declared(self) -> None:
        assert self.model.name
        assert self.model.summary
        assert self.model.effort_name in ("reach", "candidates", "num_candidates")
        knobs = [knob.name for knob in self.model.knobs]
        assert set(inspect.signature(self.model).parameters) == {"metric", "seed", *knobs}
        assert len(knobs) == len(set(knobs))
        assert all(knob.help and not knob.help.endswith(".") for knob in self.model.knobs)

    def test_knobs_are_checked_at_fit(self, sample: Float32Array) -> None:
        for knob in self.model.knobs:
            for bound, beyond in ((knob.minimum, -1), (knob.maximum, 1)):
                if bound is not None:
                    with pytest.raises(SettingsError) as caught:
                        self.make("l2", None, **{knob.name: bound + beyond}).fit(sample)
                    assert caught.value.setting == knob.name
            if knob.choices:
                with pytest.raises(SettingsError, match=knob.name):
                    self.make("l2", None, **{knob.name: "nonsense"}).fit(sample)

    def test_resizing_names_a_knob(self) -> None:
        model = self.fitted("l2")
        resized = [model.resized(way) for way in (-1, 0, 1)]
        names = {each[0] for each in resized if each is not None}
        assert names <= {knob.name for knob in model.knobs}
        values = [each[1] for each in resized if each is not None]
        assert values == sorted(set(values))
        assert len(values) in (0, 3)

    def test_either_tokens_or_a_graph(self, case: Case) -> None:
        model = self.fitted(*case)
        assert (not model.graph) == (model.tokens_per_row > 0) == (model.token_count > 0)

    def test_init_only_stores_its_arguments(self) -> None:
        stored = vars(self.model())
        assert stored == self.model().get_params()
        assert set(stored) == set(inspect.signature(self.model).parameters)
        assert (stored["metric"], stored["seed"]) == ("l2", 0)

    def test_repr_makes_the_same_model(self, case: Case) -> None:
        model = self.make(*case, seed=9)
        assert eval(repr(model), {self.model.__name__: self.model}).get_params() == model.get_params()

    def test_fit_keeps_arguments_and_returns_itself(self, case: Case, sample: Float32Array) -> None:
        model = self.make(*case)
        before = model.get_params()
        assert model.fit(sample) is model
        assert model.get_params() == before

    def test_shapes_and_types(self, case: Case, sample: Float32Array) -> None:
        model = self.fitted(*case)
        codes = model.encode(sample[:50], near=5)
        assert model.dims == DIMS
        assert codes.tokens.dtype == np.int64
        assert codes.tokens.shape == (50, model.tokens_per_row)
        assert all(len(np.unique(row)) == len(row) for row in codes.tokens)
        assert codes.tokens.max(initial=0) < max(1, model.token_count)
        assert (codes.near is not None) == (model.retrieval == "lists")
        if codes.near is not None:
            assert codes.near.dtype == np.int64
            assert codes.near.shape == (50, 5)
            by_product = metric_named(case[0]).by_product
            assert by_product or (codes.near[:, 0] == codes.tokens[:, 0]).all()
            assert all(len(np.unique(row)) == len(row) for row in codes.near)
        assert model.encode(sample[:50]).near is None
        probe = model.probe(sample[:7], 4)
        assert probe.dtype == np.int64
        assert probe.ndim == 2
        assert len(probe) == 7

    def test_same_seed_and_sample_same_model(self, case: Case, sample: Float32Array) -> None:
        first = self.fitted(*case)
        again = self.make(*case, seed=5).fit(sample.copy(), rows=ROWS)
        other_seed = self.make(*case, seed=6).fit(sample, rows=ROWS)
        other_sample = self.make(*case, seed=5).fit(sample[::-1].copy(), rows=ROWS)
        assert fingerprint(again) == fingerprint(first)
        distinct = {fingerprint(model) for model in (first, other_seed, other_sample)}
        # The graph is built by the server: nothing of the sample is learned.
        assert len(distinct) == (2 if first.graph else 3)

    def test_threads_do_not_change_the_model(self, case: Case, sample: Float32Array) -> None:
        found = []
        for threads in (1, 2):
            with threadpool_limits(threads):
                found.append(fingerprint(self.make(*case, seed=5).fit(sample, rows=ROWS)))
        assert found == [fingerprint(self.fitted(*case))] * 2

    def test_refit_forgets(self, case: Case, sample: Float32Array) -> None:
        model, expected = self.make(*case, seed=5), self.fitted(*case)
        model.fit(clustered(100, dims=5)).probe(clustered(2, dims=5), 3)
        model.fit(sample, rows=ROWS)
        assert fingerprint(model) == fingerprint(expected)
        assert _learned_names(model) == _learned_names(expected)
        assert (model.probe(sample[:9], 3) == expected.probe(sample[:9], 3)).all()

    def test_state_round_trip(self, case: Case, sample: Float32Array) -> None:
        model = self.fitted(*case)
        document, arrays = model.state()
        read = orjson.loads(orjson.dumps(document))
        back = self.model.from_state(read, {name: load_array(dump_array(array)) for name, array in arrays.items()})
        assert fingerprint(back) == fingerprint(model)
        assert repr(back) == repr(model)
        assert _learned_names(back) == _learned_names(model)
        assert back.default_effort(5000) == model.default_effort(5000)
        for mine, theirs in zip(_default_tokens(model, sample[:20]), _default_tokens(back, sample[:20]), strict=True):
            assert (mine == theirs).all()
        codes, same = model.encode(sample, near=6), back.encode(sample, near=6)
        assert (codes.tokens == same.tokens).all()
        if codes.near is not None and same.near is not None:
            assert (codes.near == same.near).all()
        assert (codes.near is None) == (same.near is None)

    def test_state_says_where_the_model_comes_from(self, case: Case, sample: Float32Array) -> None:
        document, _ = self.fitted(*case).state()
        assert document["model"] == self.model.name
        assert document["backend"] == "numpy"
        assert document["dtype"] == "float32"
        assert document["versions"] == {"numpy": np.__version__}
        assert document["params"]["seed"] == 5
        assert document["sample"] == {"rows": 3000, "sha256": hashlib.sha256(sample.tobytes()).hexdigest()}

    def test_state_of_another_model_is_refused(self) -> None:
        document, arrays = self.fitted("l2").state()
        for name in ("model", "backend", "dtype"):
            with pytest.raises(ModelMismatchError, match="another"):
                self.model.from_state({**document, name: "another"}, arrays)

    def test_no_rows_and_one_row(self, case: Case, sample: Float32Array) -> None:
        model = self.fitted(*case)
        none = model.encode(sample[:0], near=4)
        assert none.tokens.shape == (0, model.tokens_per_row)
        assert none.near is None or none.near.shape == (0, 4)
        assert len(model.probe(sample[:0], 3)) == 0
        assert model.encode(sample[:1]).tokens.shape == (1, model.tokens_per_row)
        assert len(model.probe(sample[:1], 3)) == 1

    def test_layout_in_memory_does_not_matter(self, case: Case, sample: Float32Array) -> None:
        model = self.fitted(*case)
        expected = model.encode(sample[:400], near=3)
        wide = np.zeros((400, 2 * DIMS), dtype=np.float32)
        wide[:, ::2] = sample[:400]
        for same in (np.asfortranarray(sample[:400]), wide[:, ::2]):
            assert (model.encode(same, near=3).tokens == expected.tokens).all()
            assert (model.probe(same, 4) == model.probe(sample[:400], 4)).all()
        refit = self.make(*case, seed=5).fit(np.asfortranarray(sample), rows=ROWS)
        assert fingerprint(refit) == fingerprint(model)

    def test_input_is_left_alone(self, case: Case, sample: Float32Array) -> None:
        given = sample.copy()
        given.flags.writeable = False
        model = self.make(*case).fit(given)
        model.encode(given, near=3)
        model.probe(given[:5], 3)
        assert (given == sample).all()

    def test_other_lengths_are_refused_with_both(self, case: Case) -> None:
        model = self.fitted(*case)
        with pytest.raises(ModelMismatchError, match=r"vectors of 16 numbers, given 15"):
            model.encode(clustered(3, dims=15))
        with pytest.raises(ModelMismatchError, match=r"vectors of 16 numbers, given 15"):
            model.probe(clustered(3, dims=15), 1)

    @pytest.mark.parametrize("wrong", ["float64", "float16", "one row without its axis", "a list"])
    def test_only_float32_matrices(self, case: Case, sample: Float32Array, wrong: str) -> None:
        model = self.fitted(*case)
        vectors: Any = {
            "float64": sample.astype(np.float64),
            "float16": sample.astype(np.float16),
            "one row without its axis": sample[0],
            "a list": sample.tolist(),
        }[wrong]
        for call in (model.encode, lambda given: model.probe(given, 1), self.make(case[0]).fit):
            with pytest.raises(VectorError, match=r"expected a float32 array \(rows, dims\), found"):
                call(vectors)

    @pytest.mark.parametrize("bad", [np.nan, np.inf, 3e20])
    def test_rows_that_are_not_finite_are_refused(self, case: Case, sample: Float32Array, bad: float) -> None:
        vectors = sample[:20].copy()
        vectors[7, 3] = bad
        for call in (self.fitted(*case).encode, self.make(case[0]).fit):
            with pytest.raises(VectorError, match="vector 7 has a component that is not finite") as caught:
                call(vectors)
            assert caught.value.row == 7

    @pytest.mark.parametrize("tiny", [0.0, 1e-21])
    def test_zero_rows(self, metric: str, sample: Float32Array, tiny: float) -> None:
        vectors = sample[:20].copy()
        vectors[4] = tiny
        model = self.fitted(metric)
        if metric_named(metric).needs_direction:
            for call in (model.encode, lambda given: model.probe(given, 3), self.make(metric).fit):
                with pytest.raises(VectorError, match="vector 4 has no direction"):
                    call(vectors)
        else:
            assert len(model.encode(vectors, near=2).tokens) == len(model.probe(vectors, 3)) == 20
            self.make(metric).fit(vectors)

    def test_rows_beyond_the_trained_norm_are_counted(self, metric: str, sample: Float32Array) -> None:
        model = self.fitted(metric)
        lengths = np.linalg.norm(sample, axis=1)
        longer = sample[:50] * (lengths.max() / lengths[:50] * np.linspace(0.5, 2, 50))[:, None].astype(np.float32)
        keeps_norm = metric_named(metric).trained_norm(sample) is not None
        assert ("longest" in model.state()[0]["learned"]) == keeps_norm
        assert model.encode(sample).beyond_norm == 0
        assert model.encode(longer).beyond_norm == (33 if keeps_norm else 0)
        assert model.encode(longer).tokens.shape == (50, model.tokens_per_row)
        if keeps_norm:
            assert model.longest_ == pytest.approx(lengths.max())
            document, arrays = model.state()
            other = {**document, "learned": {**document["learned"], "longest": 99.0}}
            assert fingerprint(self.model.from_state(other, arrays)) != fingerprint(model)

    def test_use_before_fit(self, sample: Float32Array) -> None:
        model = self.make()
        for call in (model.state, lambda: model.encode(sample), lambda: model.probe(sample, 1), lambda: model.dims):
            with pytest.raises(ModelMismatchError, match="never fitted"):
                call()

    @pytest.mark.parametrize(
        ("name", "value"), [("metric", "jaccard"), ("metric", "ip"), ("seed", -1), ("seed", 2**32)]
    )
    def test_shared_settings_are_checked_at_fit(self, name: str, value: object, sample: Float32Array) -> None:
        with pytest.raises(SettingsError) as caught:
            self.model(**{name: value}).fit(sample)  # type: ignore[arg-type]
        assert (caught.value.setting, caught.value.value) == (name, value)

    def test_efforts_and_rows_below_one(self, sample: Float32Array) -> None:
        model = self.fitted("l2")
        with pytest.raises(SettingsError, match="effort"):
            model.probe(sample[:2], 0)
        with pytest.raises(SettingsError, match=r"effort|reach"):
            model.tokens_for(sample[:2], Effort(model.effort_name, 0))
        with pytest.raises(SettingsError, match="rows"):
            self.make().fit(sample, rows=0)

    def test_samples_that_are_too_small(self) -> None:
        for shape in ((0, 16), (1, 16), (5, 0)):
            with pytest.raises(VectorError, match="too small"):
                self.make().fit(np.ones(shape, dtype=np.float32))

    @pytest.mark.parametrize("value", [2.0, 0.0])
    def test_one_value_repeated(self, metric: str, value: float) -> None:
        same = np.full((50, 8), value or float(metric_named(metric).needs_direction), dtype=np.float32)
        model = self.make(metric).fit(same, rows=1000)
        assert all(np.isfinite(array).all() for array in model.state()[1].values())
        tokens = model.encode(same).tokens
        assert (tokens == tokens[0]).all()

    @pytest.mark.parametrize("rows", [2, 10, 1000, 10_000, 1_000_000, 100_000_000])
    def test_defaults_for_every_size(self, rows: int) -> None:
        for dims in (2, 128, 768, 1536):
            size = self.model.default_sample(rows, dims)
            assert 2 <= size <= rows
            assert size * dims * 4 <= 256 * 2**20
        assert self.fitted("l2").default_effort(rows) > 0

    def test_defaults_fit_tiny_samples(self) -> None:
        model = self.make().fit(clustered(12, dims=3))
        assert model.encode(clustered(5, dims=3)).tokens.shape == (5, model.tokens_per_row)


class TokenModelConformance(ModelConformance):
    """Tests that models with tokens pass besides."""

    def test_there_are_tokens(self, case: Case) -> None:
        assert self.fitted(*case).tokens_per_row > 0

    def test_probe_of_a_row_hits_its_own_tokens(self, case: Case, sample: Float32Array) -> None:
        model = self.fitted(*case)
        tokens, probes = model.encode(sample).tokens, _default_tokens(model, sample)
        shared = [bool(np.intersect1d(own, asked).size) for own, asked in zip(tokens, probes, strict=True)]
        # By product a row is not its own nearest: a query with its vector may probe other tokens.
        assert metric_named(case[0]).by_product or all(shared)
        if model.tokens_are_probes and not metric_named(case[0]).by_product:
            assert (tokens == np.stack(probes)).all()

    def test_most_neighbours_are_found(self, case: Case) -> None:
        model = self.fitted(*case)
        points = clustered(3200)
        rows, queries = points[:3000], points[3000:]
        nearest = exact_neighbours(rows, queries, 1, case[0])[0][:, 0]
        tokens, probes = model.encode(rows).tokens[nearest], _default_tokens(model, queries)
        found = [bool(np.intersect1d(own, asked).size) for own, asked in zip(tokens, probes, strict=True)]
        assert np.mean(found) >= self.min_found.get(case, MIN_FOUND)

    def test_rescaled_vectors_have_the_same_tokens_where_length_is_nothing(
        self, metric: str, sample: Float32Array
    ) -> None:
        model = self.fitted(metric)
        if metric_named(metric).needs_direction:
            assert (model.encode(sample * np.float32(4)).tokens == model.encode(sample).tokens).all()
        if metric_named(metric).by_angle:
            for scale in (1e-15, 2**-9, 2**9, 1e15):
                scaled = model.probe(sample[:50] * np.float32(scale), 4)
                assert (scaled == model.probe(sample[:50], 4)).mean() > 0.99

    def test_the_best_by_product_are_among_few_rows(self) -> None:
        """Rows have widely different lengths, and queries are not indexed."""
        generator = np.random.default_rng(4)
        points = clustered(4300, dims=12, clusters=60).copy()
        points /= np.linalg.norm(points, axis=1, keepdims=True)
        rows = points[:4000] * generator.lognormal(0, 0.4, (4000, 1)).astype(np.float32)
        queries = points[4000:]
        for metric in self.metrics:
            if metric_named(metric).by_product:
                best, _ = exact_neighbours(rows, queries, 10, metric)
                model = self.make(metric).fit(rows)
                tokens = model.encode(rows).tokens
                found = []
                for probe, wanted in zip(model.probe(queries, 40), best, strict=True):
                    shared = np.isin(tokens, probe).sum(axis=1)
                    scored = np.argsort(-shared, kind="stable")[: min(400, int(np.count_nonzero(shared)))]
                    found.append(np.isin(wanted, scored).mean())
                assert np.mean(found) >= 0.9, metric
