"""Recall as it is measured on real builds, against scikit-learn's brute force over the source."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lsh_core.builds.id_hashes import digests, hash_ids
from lsh_core.elastic.connection import Connection
from lsh_core.errors import ModelMismatchError, NotFoundError, SettingsError, SourceError
from lsh_core.evaluation.ground_truth import GroundTruth, true_neighbours
from lsh_core.evaluation.query_set import QuerySet, draw_rows, draw_unseen
from lsh_core.evaluation.remedies import diagnose
from lsh_core.jobs.evaluate import evaluate
from lsh_core.jobs.index import run_index
from lsh_core.jobs.report import report
from lsh_core.jobs.services import Services
from lsh_core.jobs.train import train
from lsh_core.search.vector_index import VectorIndex
from lsh_core.settings import EvaluateSettings, IndexSettings, ReportSettings, TrainSettings
from lsh_core.sources.holdout import are_held_out
from tests.fakes.parquet_sources import clustered, write_source

ROWS, DIMS, K = 3_000, 16, 10
VECTORS = clustered(ROWS, DIMS)
VECTORS[100:140] = VECTORS[:40]  # Repeated vectors: which of them is an answer is a matter of taste.
STRANGERS = clustered(60, DIMS, seed=9)


@pytest.fixture(scope="module")
def services(one_node: Any, dask_cluster: Any) -> Services:
    return Services(Connection(tuple(one_node.urls)), dask_cluster.address)


def indexed(services: Services, folder: Path, metric: str, shards: int = 1, **options: Any) -> str:
    name = f"evaluated-{metric}-{shards}"
    source = write_source(folder / "rows.parquet", [f"r{row}" for row in range(ROWS)], VECTORS)
    train(TrainSettings(name=name, source=source, metric=metric), services)
    run_index(IndexSettings(name=name, source=source, shards=shards, recall_queries=200, **options), services)
    return name


def brute_force(queries: np.ndarray, metric: str) -> np.ndarray:
    """Return the distances to all rows, (q, ROWS) float64."""
    from sklearn.metrics.pairwise import cosine_distances, euclidean_distances, linear_kernel

    if metric == "dot":
        return -linear_kernel(queries.astype(np.float64), VECTORS.astype(np.float64))
    measure = euclidean_distances if metric == "l2" else cosine_distances
    return measure(queries.astype(np.float64), VECTORS.astype(np.float64))


@pytest.mark.parametrize("metric", ["l2", "cosine", "dot"])
@pytest.mark.parametrize("shards", [1, 3])
def test_the_truth_is_that_of_scikit_learn(services: Services, tmp_path: Path, metric: str, shards: int) -> None:
    name = indexed(services, tmp_path, metric, shards)
    searcher = VectorIndex(name, services.connection)
    client = services.connection.client()
    own = QuerySet(VECTORS[:60], tuple(f"r{row}" for row in range(60)))

    def segments() -> int:
        return int(client.indices.stats(index=name)["_all"]["primaries"]["segments"]["count"])

    def check() -> tuple[GroundTruth, GroundTruth]:
        index, field = searcher.build.index, searcher.build.field
        strangers = true_neighbours(services.cluster, index, field, QuerySet(STRANGERS), K, rows=ROWS)
        distances = brute_force(STRANGERS, metric)
        np.testing.assert_allclose(strangers.distances, np.sort(distances)[:, :K], rtol=1e-5, atol=1e-6)
        row_of = {digest: row for row, digest in enumerate(digests(hash_ids([f"r{row}" for row in range(ROWS)])))}
        for query, hashes in enumerate(strangers.id_hashes):
            rows = [row_of[digest] for digest in digests(hashes)]
            assert len(set(rows)) == K
            np.testing.assert_allclose(distances[query, rows], strangers.distances[query], rtol=1e-5, atol=1e-6)
        # What the server scans by itself is the same, and evaluate finds nothing missing in it.
        scanned = [answer.neighbours for answer in searcher.search_many(STRANGERS, k=K, exact=True, fields=())]
        np.testing.assert_allclose(
            [[each.distance for each in answer] for answer in scanned], strangers.distances, rtol=1e-4, atol=2e-3
        )
        others = true_neighbours(services.cluster, index, field, own, K, rows=ROWS)
        distances = brute_force(own.vectors, metric)
        distances[np.arange(60), np.arange(60)] = np.inf
        np.testing.assert_allclose(others.distances, np.sort(distances)[:, :K], rtol=1e-5, atol=1e-6)
        assert all(row_of[digest] != row for row, hashes in enumerate(others.id_hashes) for digest in digests(hashes))
        return strangers, others

    merged = check()
    assert segments() == shards
    if metric != "dot":
        assert (merged[1].distances[:40, 0] < 1e-6).all()  # The row that has the same vector.
    # The same rows, but in several segments, with deleted documents among them.
    for some in (range(0, 900), range(600, 1_500)):
        searcher.upsert([{"id": f"r{row}", "embedding": VECTORS[row].tolist()} for row in some], refresh=True)
    assert segments() > shards
    for one, other in zip(merged, check(), strict=True):
        np.testing.assert_array_equal(one.distances, other.distances)


def test_drawn_rows_are_the_same_for_the_same_seed(services: Services, tmp_path: Path) -> None:
    name = indexed(services, tmp_path, "l2", 3)
    build = VectorIndex(name, services.connection).build

    def draw(seed: int) -> QuerySet:
        return draw_rows(services.cluster, build.index, build.field.column, DIMS, 200, seed=seed)

    one, again, other = draw(1), draw(1), draw(2)
    assert one.ids == again.ids != other.ids
    assert one.ids is not None
    assert len(set(one.ids)) == 200
    np.testing.assert_array_equal(one.vectors, VECTORS[[int(identity[1:]) for identity in one.ids]])


def test_recall_is_measured_with_rows_that_the_model_has_not_seen(services: Services, tmp_path: Path) -> None:
    name = indexed(services, tmp_path, "cosine", 2)
    searcher = VectorIndex(name, services.connection)

    def draw(size: int) -> list[str]:
        field = searcher.build.field
        return list(draw_unseen(services.cluster, searcher.build.index, field.column, DIMS, size, seed=1).ids or ())

    held_out = {f"r{row}" for row in np.flatnonzero(are_held_out(np.arange(ROWS)))}
    assert len(draw(300)) == len(set(draw(300))) == 300
    assert set(draw(300)) < held_out == set(draw(ROWS))
    assert searcher.build.model.sample_rows_ == ROWS - len(held_out)
    searcher.upsert([{"id": "live", "embedding": VECTORS[0].tolist()}], refresh=True)
    assert set(draw(ROWS)) == {*held_out, "live"}
    searcher.delete(["live"], refresh=True)


def test_what_is_live_is_evaluated_and_reported(services: Services, tmp_path: Path) -> None:
    name = indexed(services, tmp_path, "l2")
    asked = EvaluateSettings(name=name, rows=200, output=str(tmp_path / "reports"))
    with pytest.raises(SourceError, match="cannot be written to"):
        evaluate(asked.model_copy(update={"output": str(tmp_path / "rows.parquet")}), services)
    with pytest.raises(NotFoundError, match="evaluation of build"):  # It was refused before anything was measured.
        report(ReportSettings(name=name, output=str(tmp_path / "early")), services)
    result = evaluate(asked, services)

    curve = result.curve
    assert [point.effort for point in curve] == sorted({point.effort for point in curve})
    assert curve[0].recall < curve[-1].recall >= 0.999
    assert all(point.recall_low <= point.recall for point in curve)
    for speed in ("p50_ms", "p95_ms", "p99_ms"), ("loaded_p50_ms", "loaded_p95_ms", "loaded_p99_ms"):
        assert all(
            0 < getattr(point, speed[0]) <= getattr(point, speed[1]) <= getattr(point, speed[2]) for point in curve
        )
    assert curve[0].scored < curve[-1].scored <= ROWS
    assert (result.queries, result.k, sum(result.histogram)) == (200, K, 200)
    assert result.recall >= 0.92  # The target is .95, and other rows are asked for.
    assert {depth: len(found.histogram) for depth, found in result.recall_at.items()} == {
        "1": 2,
        "10": 11,
        "100": 101,
    }
    assert all(0.5 < found.recall <= 1 for found in result.recall_at.values())
    assert 1 <= result.distance_ratio < 1.1
    assert not result.own_queries
    assert result.changes == 0
    efforts, scored = ([getattr(point, key) for point in curve] for key in ("effort", "scored"))
    at_default = ROWS if result.effort is None else np.interp(result.effort, efforts, scored)
    assert result.health.touched * ROWS == pytest.approx(at_default, rel=0.2)
    assert result.health.sizes[0] == result.health.largest[0].rows
    own = asdict(next(point for point in curve if point.effort == result.effort))  # The default effort is on it.
    assert all(point["reach"] == point["effort"] for point in result.to_json()["curve"])
    assert {name: getattr(result, name) for name in own} == own
    assert result.target == 0.95

    page = Path(str(result.report))
    assert page == tmp_path / "reports" / f"{name}-{result.build}.html"
    assert f"recall@10 {result.recall:.3f}" in page.read_text()
    assert json.loads(page.with_suffix(".json").read_text()) == replace(result, report=None).to_json()
    again = report(ReportSettings(name=name, build=result.build, output=str(tmp_path / "again")), services)
    assert again.report == str(tmp_path / "again" / page.name)
    written = {file.name: file.read_bytes() for file in page.parent.iterdir()}
    assert written == {file.name: file.read_bytes() for file in (tmp_path / "again").iterdir()}
    assert len(written) >= 6


def test_vectors_that_are_too_short_to_be_told_apart_are_warned_of(services: Services, tmp_path: Path) -> None:
    source = write_source(tmp_path / "rows.parquet", [f"r{row}" for row in range(ROWS)], clustered(ROWS, 3) / 20_000)
    train(TrainSettings(name="tiny-vectors", source=source, metric="l2"), services)
    run_index(IndexSettings(name="tiny-vectors", source=source, recall_queries=40), services)
    result = evaluate(EvaluateSettings(name="tiny-vectors", rows=50), services)
    assert result.blurred > 0.5
    assert any("multiplied" in warning.remedy for warning in diagnose(result))


def test_queries_of_a_file(services: Services, tmp_path: Path) -> None:
    name = indexed(services, tmp_path, "cosine")
    np.save(tmp_path / "queries.npy", STRANGERS)
    result = evaluate(EvaluateSettings(name=name, queries=str(tmp_path / "queries.npy"), k=5), services)
    assert (result.queries, result.k, result.own_queries) == (len(STRANGERS), 5, True)
    assert result.recall >= 0.9

    np.save(tmp_path / "wide.npy", np.ones((3, DIMS + 1), np.float32))
    with pytest.raises(ModelMismatchError, match=f"{DIMS} numbers"):
        evaluate(EvaluateSettings(name=name, queries=str(tmp_path / "wide.npy")), services)
    with pytest.raises(NotFoundError, match="nobody-indexed"):
        evaluate(EvaluateSettings(name="nobody-indexed"), services)


def test_searches_do_what_is_enough_for_a_recall(services: Services, tmp_path: Path) -> None:
    name = indexed(services, tmp_path, "l2", recall_target=0.9)
    searcher = VectorIndex(name, services.connection)
    curve = searcher.build.curve
    assert curve is not None
    assert curve.target == 0.9
    by_effort = {point.effort: point for point in curve.points}
    assert by_effort[curve.effort].recall_low >= 0.9  # type: ignore[index]

    def scored(**how: Any) -> float:
        return float(np.mean([answer.rows_scored for answer in searcher.search_many(STRANGERS, fields=(), **how)]))

    # Where too few were found all rows are scanned, but not if the caller says what is done.
    more = curve.effort_for(0.99)
    assert curve.effort < more  # type: ignore[operator]
    assert scored(reach=curve.effort) <= scored() < ROWS / 2
    assert scored(reach=more) <= scored(recall=0.99) < ROWS / 2
    assert scored(recall=1.0) == ROWS  # No bound is that high: all rows are scanned.
    with pytest.raises(SettingsError, match="decides the effort"):
        searcher.search(STRANGERS[0], recall=0.9, probes=3)
    assert scored(probes=1) < scored(probes=40) <= scored(probes=10_000) == ROWS
