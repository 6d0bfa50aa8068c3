"""Example of a metric that a package adds."""

from __future__ import annotations

from base64 import b64encode

import numpy as np
import pyarrow as pa
import pytest

from airlsh_examples.l1 import L1
from lsh_core.errors import SettingsError
from lsh_core.exact.nearest_rows import exact_neighbours
from lsh_core.jobs.train import with_metric
from lsh_core.metrics import metric_named, metric_names
from lsh_core.models import fingerprint, load_model, make_model
from lsh_core.models.effort import Effort
from lsh_core.models.registry import model_class
from lsh_core.retrieval.query import by_vector
from lsh_core.retrieval.registry import retrieval_of
from lsh_core.settings import TrainSettings, labels_of, validated
from lsh_core.sources.encoder_info import EncoderInfo
from lsh_core.sources.validation import valid_vectors
from lsh_core.testing import clustered
from tests.fakes.vector_fields import list_field

FILTER = {"term": {"b": 1}}
LISTED = [{"bool": {"filter": [{"terms": {"airlsh.tokens.v": ["t1"]}}, FILTER]}}]

pytestmark = pytest.mark.usefixtures("example_plugins")


def test_it_is_found_by_its_name() -> None:
    assert metric_names() == ("l2", "cosine", "dot", "l1")
    assert isinstance(metric_named("l1"), L1)
    settings = validated(TrainSettings, {"name": "docs", "source": "docs.parquet", "metric": "l1"})
    assert settings.metric == "l1"
    assert labels_of(TrainSettings.model_fields["metric"])["l1"] == "sum of absolute differences"
    auto = settings.model_copy(update={"metric": "auto"})
    assert with_metric(auto, EncoderInfo("ours", "ab" * 32, 8, "l1", "embedding")).metric == "l1"


@pytest.mark.parametrize("block", [7, 1000])
def test_exact_neighbours_are_those_of_all_distances(block: int) -> None:
    rows, queries = clustered(900), clustered(30, seed=3)
    rows = np.concatenate((rows, rows[:5]))  # Repeated rows are at the same distance.
    distances = np.abs(rows[None].astype(np.float64) - queries[:, None]).sum(axis=2)
    expected = np.argsort(distances, axis=1, kind="stable")[:, :10]
    found, measured = exact_neighbours(rows, queries, 10, "l1", block=block)
    assert (found == expected).all()
    assert measured == pytest.approx(np.take_along_axis(distances, expected, axis=1), rel=1e-6)


@pytest.mark.parametrize("model", ["ivf", "hyperplane", "subspace", "random_lists"])
def test_models_are_fitted_and_loaded_with_it(model: str) -> None:
    rows = clustered(2000)
    fitted = make_model(model, metric="l1").fit(rows)
    back = load_model(model, *fitted.state())
    assert (back.metric, fingerprint(back)) == ("l1", fingerprint(fitted))
    nearest = exact_neighbours(rows, rows[:50], 2, "l1")[0][:, 1]
    effort = Effort(fitted.effort_name, fitted.default_effort(2000))
    tokens, probes = fitted.encode(rows).tokens[nearest], fitted.tokens_for(rows[:50], effort)
    assert np.mean([np.isin(own, asked).any() for own, asked in zip(tokens, probes, strict=True)]) > 0.9


def test_the_graph_of_the_server_cannot_be_built_by_it() -> None:
    with pytest.raises(SettingsError, match="metric='l1': is not a metric that the server's graph can be built by"):
        make_model("hnsw", metric="l1").fit(clustered(100))


def test_zero_rows_are_taken() -> None:
    column = pa.chunked_array([pa.array([[0.0, 0.0], [1.0, 2.0]], pa.list_(pa.float32(), 2))])
    assert len(valid_vectors(column, dims=2, metric="l1")[1]) == 2
    assert len(valid_vectors(column, dims=2, metric="cosine")[1]) == 1


def test_the_client_compares_the_rows() -> None:
    strategy = list_field(metric="l1").strategy
    query = strategy.by_vector(
        [0.0, 0.0, 1.0], ["t1"], k=2, effort=strategy.effort(1), shards=1, query_filter=FILTER, fields=["a"]
    )
    assert query.body["query"] == {"bool": {"filter": {"bool": {"filter": [{"exists": {"field": "v"}}, *LISTED]}}}}
    assert query.body["_source"] == {"includes": ["a"], "excludes": ["airlsh"]}
    assert query.body["docvalue_fields"] == [{"field": "v", "format": "binary"}]
    rows = {"far": [3.0, -4.0, 1.0], "near": [0.0, 0.5, 1.0], "middle": [-1.0, 0.0, 2.0]}
    packed = {id: b64encode(np.array(row, ">f4").tobytes()).decode() for id, row in rows.items()}
    hits = [{"_id": id, "_score": 0.0, "_source": {"a": id}, "fields": {"v": [packed[id]]}} for id in rows]
    found = query.ranked(hits, 3)
    assert [(hit["_id"], hit["_score"], hit["_source"]) for hit in found] == [
        ("near", -0.5, {"a": "near"}),
        ("middle", -2.0, {"a": "middle"}),
    ]
    assert metric_named("l1").distance_from_score(np.array([-0.5, -2.0])) == pytest.approx([0.5, 2.0])
    with pytest.raises(SettingsError, match="10,000 rows at most, and 10,001 rows pass"):
        query.ranked(hits, 10_001)


@pytest.mark.parametrize(("fields", "kept"), [(["v"], {"exclude_vectors": False}), (["a"], {}), (None, {})])
def test_the_vector_is_a_field_of_hits_where_it_is_asked_for(fields: list[str] | None, kept: dict[str, bool]) -> None:
    query = list_field(metric="l1").strategy.exact(by_vector([0.0, 0.0, 1.0]), k=2, fields=fields)
    assert {name: value for name, value in query.body["_source"].items() if name == "exclude_vectors"} == kept


@pytest.mark.parametrize("model", ["hyperplane", "subspace"])
def test_tables_cannot_be_searched_by_it(model: str) -> None:
    strategy = retrieval_of(model_class(model))
    strategy.check_metric("dot")
    with pytest.raises(SettingsError, match=r"metric='l1': is not known to the server.*: train a model"):
        strategy.check_metric("l1")


def test_a_row_is_not_looked_up_on_the_server() -> None:
    assert list_field(metric="l2").strategy.can_look_up(None)
    assert not list_field(metric="l1").strategy.can_look_up(None)
