"""Tokens by TensorFlow are NumPy's, but where a row is so near a border that float32 cannot tell its side."""

from __future__ import annotations

import pickle
import sys

import numpy as np
import pytest

from lsh_core.errors import MissingPackageError, ModelMismatchError
from lsh_core.models import fingerprint, ivf, load_model, make_model, tensorflow_hashing

ROWS = 2501
DIMS = 17


@pytest.fixture(scope="module", autouse=True)
def _traced_once():
    """No function is traced again, whatever the models and the numbers of rows of this module."""
    yield
    functions = tensorflow_hashing._functions()
    assert [function.experimental_get_tracing_count() for function in functions] == [1] * 5


@pytest.fixture(params=[2**22, 5000], ids=["one block", "many blocks"])
def _blocks(request, monkeypatch):
    monkeypatch.setattr(tensorflow_hashing, "BLOCK_NUMBERS", request.param)


@pytest.fixture
def _two_levels_early(monkeypatch):
    """Few lists are grouped as many are."""
    monkeypatch.setattr(ivf, "ALL_EXAMINED", 200)
    monkeypatch.setattr(ivf, "MIN_EXAMINED", 150)


def both(kind, sample, **knobs):
    """The same model with either backend."""
    return [make_model(kind, hash_backend=backend, **knobs).fit(sample) for backend in ("numpy", "tensorflow")]


def rounding(left, right):
    """How far a float32 product of the rows of `left` with those of `right` may be off, (n, m)."""
    lengths = np.linalg.norm(left, axis=1)[:, None] * np.linalg.norm(right, axis=1)
    return (left.shape[1] + 4) * 2.0**-23 * lengths


def nothing_but_ties(measures, allowed, mine, theirs):
    """Where two answers differ, what they name measures the same up to what is allowed: (n, lists), (n, count)."""
    row, place = np.nonzero(mine != theirs)
    first, second = mine[row, place], theirs[row, place]
    gaps = np.abs(measures[row, first] - measures[row, second])
    assert (gaps <= allowed[row, first] + allowed[row, second]).all()
    return len(row)


@pytest.mark.usefixtures("_blocks")
@pytest.mark.parametrize("metric", ["l2", "cosine", "dot"])
@pytest.mark.parametrize(("tables", "bits"), [(1, 1), (7, 8), (5, 17), (3, 32)])
def test_bits_differ_only_on_a_plane(metric, tables, bits, clustered):
    rows = clustered(ROWS, dims=DIMS)
    numpy_model, model = both("hyperplane", rows, metric=metric, tables=tables, bits=bits)
    inner = model.normals_[0, :DIMS].astype(np.float64)
    if metric != "dot":  # Rows on a plane, as near as float32 can say.
        beyond = rows[:300] @ inner - model.offsets_[0]
        rows[:300] -= (beyond[:, None] * inner).astype(np.float32)
    prepared = model._prepare_rows(rows).astype(np.float64)
    distances = prepared @ model.normals_.T.astype(np.float64) - model.offsets_
    near = np.abs(distances) <= rounding(prepared, model.normals_) + 2.0**-24 * np.abs(model.offsets_)
    assert near.any() or metric == "dot"
    assert near.mean() < 0.2
    shifts = np.arange(bits)
    codes = []
    for each in (numpy_model, model):
        tokens = each.encode(rows).tokens
        assert tokens.dtype == np.int64
        assert (tokens >> bits == np.arange(tables)).all()
        codes.append((tokens[:, :, None] >> shifts & 1).reshape(ROWS, -1))
    assert not (codes[0] != codes[1])[~near].any()
    assert (codes[1] == (distances > 0))[~near].all()


@pytest.mark.usefixtures("_blocks", "_two_levels_early")
@pytest.mark.parametrize("metric", ["l2", "cosine", "dot"])
@pytest.mark.parametrize("lists", [1, 33, 350])
def test_lists_differ_only_where_they_are_equally_near(metric, lists, clustered):
    rows = clustered(ROWS, dims=DIMS, clusters=90)
    rows *= np.random.default_rng(0).lognormal(0, 0.4, (ROWS, 1)).astype(np.float32)
    numpy_model, model = both("ivf", rows, metric=metric, lists=lists)
    expected, found = numpy_model.encode(rows, near=9), model.encode(rows, near=9)
    prepared, centroids = model._prepare_rows(rows).astype(np.float64), model.centroids_.astype(np.float64)
    products = prepared @ centroids.T
    squares = (prepared**2).sum(axis=1)[:, None] + (centroids**2).sum(axis=1)
    gaps = squares - 2 * products
    groups = model._groups
    assert (groups is not None) == (lists == 350)
    told = np.ones(ROWS, bool)  # Rows whose group is beyond doubt: others may have lists of either.
    if groups is not None:
        nearest = np.sort(((prepared[:, None] - groups.centres) ** 2).sum(axis=2), axis=1)
        told = nearest[:, 1] - nearest[:, 0] > 1e-4
        assert told.mean() > 0.99
    # Distances are compared by steps, two of which may part what rounding lets change places.
    examined = lists if groups is None else groups.examined.shape[1]
    step = 2.0 ** ((examined - 1).bit_length() - 23)
    allowed = step * np.abs(gaps) + 4 * (DIMS + 5) * 2.0**-23 * squares
    differ = nothing_but_ties(gaps[told], allowed[told], expected.tokens[told], found.tokens[told])
    assert differ <= 1e-3 * found.tokens.size
    if metric == "dot":  # What a query for the row visits, by the products with all lists.
        gaps, allowed = -(prepared[:, :-1] @ centroids[:, :-1].T), 2 * rounding(prepared, centroids)
    assert nothing_but_ties(gaps[told], allowed[told], expected.near[told], found.near[told]) <= 1e-3 * found.near.size
    assert all(len(set(row)) == len(row) for row in found.tokens.tolist())


@pytest.mark.usefixtures("_two_levels_early")
@pytest.mark.parametrize("knobs", [{"lists": 33}, {"lists": 350}, {"tables": 4, "bits": 9}])
@pytest.mark.parametrize("count", [0, 1, 2, 63, 64, 65])
def test_any_number_of_rows(knobs, count, clustered):
    rows = clustered(900, dims=5)
    numpy_model, model = both("ivf" if "lists" in knobs else "hyperplane", rows, **knobs)
    expected, found = numpy_model.encode(rows[:count], near=3), model.encode(rows[:count], near=3)
    assert found.tokens.shape == expected.tokens.shape
    assert (found.tokens != expected.tokens).mean() <= 0.01 if count else True
    assert (found.near is None) == (expected.near is None)
    assert found.near is None or found.near.shape == expected.near.shape == (count, 3)


@pytest.mark.parametrize("kind", ["ivf", "hyperplane"])
def test_the_backend_is_part_of_the_model_and_nothing_else_differs(kind, clustered, monkeypatch):
    rows = clustered(400)
    numpy_model, model = both(kind, rows)
    monkeypatch.setattr("lsh_core.backends.gpu_seen", lambda: False)
    auto = make_model(kind, hash_backend="auto").fit(rows)
    document, arrays = model.state()
    plain, same = numpy_model.state()
    assert auto.get_params()["hash_backend"] == "auto"
    assert fingerprint(auto) == fingerprint(numpy_model) != fingerprint(model)
    assert (document["backend"], plain["backend"]) == ("tensorflow", "numpy")
    assert set(document["versions"]) == {"numpy", "tensorflow"}
    assert document["params"] == plain["params"]
    assert "hash_backend" not in plain["params"]  # As in the documents of models that were stored before there was one.
    assert all((arrays[name] == same[name]).all() for name in same)
    assert load_model(kind, plain, same).backend_ == load_model(kind, plain, same).hash_backend == "numpy"
    back = load_model(kind, document, arrays)
    assert (back.backend_, back.hash_backend) == ("tensorflow", "tensorflow")
    assert fingerprint(back) == fingerprint(model)
    assert (back.encode(rows).tokens == model.encode(rows).tokens).all()
    assert (pickle.loads(pickle.dumps(back)).encode(rows).tokens == model.encode(rows).tokens).all()
    assert (back.probe(rows[:9], 5) == numpy_model.probe(rows[:9], 5)).all()


def test_a_model_that_knows_one_backend_refuses_another(clustered):
    document, arrays = make_model("subspace").fit(clustered(100)).state()
    with pytest.raises(ModelMismatchError, match="`backend` of a stored model: expected numpy, given tensorflow"):
        load_model("subspace", {**document, "backend": "tensorflow"}, arrays)


@pytest.mark.parametrize("kind", ["ivf", "hyperplane"])
def test_without_tensorflow_its_models_are_searched_but_encode_nothing(kind, clustered, monkeypatch):
    rows = clustered(300)
    numpy_model, model = both(kind, rows)
    document, arrays = model.state()
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    back = load_model(kind, document, arrays)
    assert fingerprint(back) == fingerprint(model)
    assert (back.probe(rows, 4) == numpy_model.probe(rows, 4)).all()
    with pytest.raises(MissingPackageError, match=r"hash_backend=tensorflow needs the package .*airlsh\[features\]"):
        back.encode(rows)
    with pytest.raises(MissingPackageError, match=r"airlsh\[features\]"):
        make_model(kind, hash_backend="tensorflow").fit(rows)


@pytest.mark.parametrize("kind", ["ivf", "hyperplane"])
def test_no_product_is_rounded_to_tf32(kind, clustered, monkeypatch):
    import tensorflow as tf

    rounds = tf.config.experimental.tensor_float_32_execution_enabled
    before, functions, seen = rounds(), tensorflow_hashing._functions(), []

    def watched(function):
        return lambda *given: seen.append(rounds()) or function(*given)

    model = make_model(kind, metric="dot", hash_backend="tensorflow").fit(clustered(50))
    monkeypatch.setattr(tensorflow_hashing, "_functions", lambda: type(functions)(*map(watched, functions)))
    model.encode(clustered(50), near=3)
    assert seen
    assert not any(seen)
    assert rounds() == before
