from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from lsh_core.elastic.system_indices import MAPPINGS
from lsh_core.errors import SettingsError
from lsh_core.models import model_classes
from lsh_core.settings import (
    AbandonSettings,
    IndexSettings,
    PromoteSettings,
    ReplaySettings,
    RetireSettings,
    RollbackSettings,
    SearchSettings,
    Settings,
    TrainSettings,
    check_name,
    validated,
)

MODELS: list[type[Settings]] = [
    TrainSettings,
    IndexSettings,
    SearchSettings,
    RollbackSettings,
    RetireSettings,
    ReplaySettings,
]
SOURCE = {"name": "docs", "source": "a.parquet"}


def minimal(model: type[Settings]) -> dict[str, Any]:
    return {name: {**SOURCE, "build": "b"}[name] for name, field in model.model_fields.items() if field.is_required()}


@pytest.mark.parametrize("name", ["docs", "d", "0", "docs-2024", "docs.v2", "a_b", "a" * 100, "w2", "models2"])
def test_names(name: str) -> None:
    assert check_name(name) == name
    assert TrainSettings(name=name, source="a").name == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Docs",
        "-docs",
        "_docs",
        ".docs",
        "do*cs",
        "docs,other",
        "<docs-{now/d}>",
        "cluster:docs",
        "do cs",
        "docs\nother",
        "dócs",
        "a/b",
        "..",
        "a" * 101,
        "w",
        "c",
        "l",
        "probe",
        *(index.removeprefix("airlsh-") for index in MAPPINGS),
        "airlsh-docs",
        "airlsh-models",
    ],
)
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"must be|is reserved"):
        check_name(name)
    with pytest.raises(SettingsError, match="name="):
        SearchSettings(name=name)


@pytest.mark.parametrize("model", [PromoteSettings, AbandonSettings, RollbackSettings, ReplaySettings])
def test_no_build_is_the_empty_text(model: type[Settings]) -> None:
    with pytest.raises(SettingsError, match="at least 1 character"):
        model(**{**minimal(model), "build": ""})


@pytest.mark.parametrize("model", MODELS)
def test_every_field_is_described(model: type[Settings]) -> None:
    for name, field in model.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name


@pytest.mark.parametrize("model", MODELS)
def test_unknown_keys_are_refused(model: type[Settings]) -> None:
    with pytest.raises(SettingsError, match=r"colour='blue': is not a setting: (did you mean .* )?there are "):
        model(**minimal(model), colour="blue")


@pytest.mark.parametrize("model", MODELS)
def test_settings_are_frozen(model: type[Settings]) -> None:
    settings = model(**minimal(model))
    with pytest.raises(ValidationError, match="frozen"):
        settings.name = "other"  # type: ignore[attr-defined]


@pytest.mark.parametrize("model", MODELS)
def test_settings_survive_json(model: type[Settings]) -> None:
    settings = model(**minimal(model))
    assert model.model_validate_json(settings.model_dump_json()) == settings


@pytest.mark.parametrize(
    ("model", "field", "good", "bad"),
    [
        (TrainSettings, "sample", [2, 10**9], [1, 0, -5]),
        (TrainSettings, "seed", [0, 2**32 - 1], [-1, 2**32]),
        (TrainSettings, "metric", ["auto", "l2", "cosine", "dot"], ["jaccard", "L2", ""]),
        (TrainSettings, "model", ["ivf", "hyperplane", "subspace", "hnsw"], ["annoy", ""]),
        (TrainSettings, "source", ["s3://b/*.parquet"], ["", "  "]),
        (IndexSettings, "shards", [1, 1024], [0, 1025, "many"]),
        (IndexSettings, "replicas", [0, 16], [-1, 17]),
        (IndexSettings, "max_dead_letters", [0, 10**9], [-1]),
        (IndexSettings, "stop_dead_letters", [0, 10**9], [-1]),
        (IndexSettings, "stop_dead_letter_share", [0, 0.5, 1], [-0.1, 1.1]),
        (IndexSettings, "dead_letter_days", [1, 3_650], [0, 3_651]),
        (IndexSettings, "chunk_rows", [1, 1_000_000], [0, 1_000_001]),
        (IndexSettings, "request_bytes", [2**10, 64 * 2**20], [2**10 - 1, 100 * 2**20]),
        (IndexSettings, "posting_threads", [1, 16], [0, 17]),
        (IndexSettings, "node_wait_seconds", [1, 3600.5], [0, -1]),
        (SearchSettings, "k", [1, 10_000], [0, 10_001, 1.5]),
        (SearchSettings, "probes", [1], [0]),
        (SearchSettings, "candidates", [1, 10_000], [0, 10_001]),
        (SearchSettings, "num_candidates", [1, 10_000], [0, 10_001]),
        (RetireSettings, "keep", [1, 100], [0, 101]),
        (RetireSettings, "grace_seconds", [0, 600.5], [-1]),
        (RetireSettings, "unfinished_grace_seconds", [0, 600.5], [-1]),
    ],
)
def test_bounds(model: type[Settings], field: str, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        assert getattr(model(**{**minimal(model), field: value}), field) == value
    for value in bad:
        with pytest.raises(SettingsError) as raised:
            model(**{**minimal(model), field: value})
        assert raised.value.setting == field


@pytest.mark.parametrize(
    ("model", "knob", "good", "bad"),
    [
        ("ivf", "lists", [1, 1_048_576], [0, 1_048_577]),
        ("ivf", "spill", [1, 16], [0, 17]),
        ("hyperplane", "tables", [1, 512], [0, 513]),
        ("hyperplane", "bits", [1, 32], [0, 33]),
        ("hyperplane", "multiprobe", [0, 64], [-1, 65]),
        ("subspace", "parts", [1, 512], [0, 513]),
        ("subspace", "clusters", [2, 4096], [1, 4097]),
        ("hyperplane", "hash_backend", ["numpy", "tensorflow", "auto"], ["torch"]),
        ("hnsw", "m", [2, 512], [1, 513]),
        ("hnsw", "ef_construction", [2, 3200], [1, 3201]),
    ],
)
def test_bounds_of_knobs(model: str, knob: str, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        assert TrainSettings(**SOURCE, model=model, **{knob: value}).model_options == {knob: value}
        assert TrainSettings(**SOURCE, model=model, model_options={knob: value}).model_options == {knob: value}
    for value in bad:
        with pytest.raises(SettingsError, match=f"^{knob}={value!r}: must be") as raised:
            validated(TrainSettings, {**SOURCE, "model": model, knob: value})
        assert (raised.value.setting, raised.value.value) == (knob, value)


def test_knobs_come_back_from_json() -> None:
    settings = TrainSettings(**SOURCE, model="ivf", lists=64, spill=None)
    assert settings.model_options == {"lists": 64}
    assert TrainSettings.model_validate_json(settings.model_dump_json()) == settings
    assert TrainSettings(**SOURCE, lists="64").model_options == {"lists": 64}


def test_knobs_of_another_model_are_refused_with_those_of_the_model() -> None:
    with pytest.raises(SettingsError, match=r"^tables=3: is not a knob of ivf models: there are lists, spill"):
        validated(TrainSettings, {**SOURCE, "tables": 3})
    with pytest.raises(SettingsError, match=r"^colour='red': is not a knob of hnsw models: there are m, ef_c"):
        validated(TrainSettings, {**SOURCE, "model": "hnsw", "model_options": {"colour": "red"}})
    with pytest.raises(SettingsError, match=r"^colour='red': is not a setting: .*lists"):
        validated(TrainSettings, {**SOURCE, "colour": "red"})
    with pytest.raises(SettingsError, match=r"^model='annoy': must be one of ivf, hyperplane, subspace, hnsw$"):
        validated(TrainSettings, {**SOURCE, "model": "annoy", "lists": 3})


def test_the_form_has_a_field_for_every_knob() -> None:
    fields = TrainSettings.form_fields().model_fields
    assert "model_options" not in fields
    assert fields["hash_backend"].description.startswith("ivf, hyperplane: library")
    for model in model_classes():
        assert {knob.name for knob in model.knobs} <= set(fields)
    assert all(field.description.endswith(".") for field in fields.values())


def test_settings_are_read_without_numpy() -> None:
    code = "import sys, lsh_core.settings, lsh_core.cli.main; print('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_defaults_load_safely() -> None:
    settings = IndexSettings(**SOURCE)
    assert settings.promote is True
    assert settings.max_dead_letters == 0
    assert settings.request_bytes <= 16 * 2**20
    assert (settings.shards, settings.replicas, settings.chunk_rows, settings.model_id) == (None, None, None, None)


@pytest.mark.parametrize(
    ("given", "moment"),
    [
        ("2026-01-31", "2026-01-31T00:00:00.000+00:00"),
        ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00.000+00:00"),
        (" 2026-01-31T12:00:00.123456+01:00 ", "2026-01-31T11:00:00.123+00:00"),
    ],
)
def test_moments_are_kept_in_utc(given: str, moment: str) -> None:
    settings = IndexSettings(**SOURCE, source_as_of=given)
    assert settings.source_as_of == moment
    assert IndexSettings(**settings.model_dump()) == settings


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("2026-01-31T12:00:00", "has no time zone"),
        ("20260131T12", "has no time zone"),
        ("9999-01-01", "is in the future"),
        ("yesterday", "must be a date"),
        ("", "must be a date"),
    ],
)
def test_moments_that_are_none(given: str, reason: str) -> None:
    with pytest.raises(SettingsError, match=reason):
        IndexSettings(**SOURCE, source_as_of=given)


def test_few_queries_cannot_show_a_high_recall() -> None:
    given = {"name": "docs", "source": "rows.parquet", "recall_target": 0.99}
    with pytest.raises(SettingsError, match=r"recall_queries=50: cannot show a recall of 0.99.*165 can"):
        validated(IndexSettings, {**given, "recall_queries": 50})
    assert validated(IndexSettings, {**given, "recall_queries": 165}).recall_queries == 165
