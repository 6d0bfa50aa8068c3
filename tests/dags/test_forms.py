"""The form that Airflow shows, and the settings that come back from it."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import ParamsDict
from airflow.sdk.exceptions import ParamValidationError
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from lsh_airflow.forms import form, settings_from_params
from lsh_core.errors import SettingsError
from lsh_core.settings import (
    EvaluateSettings,
    FeaturesSettings,
    IndexSettings,
    RefreshSettings,
    RetireSettings,
    RollbackSettings,
    Settings,
    TrainSettings,
    places_written,
)

MODELS = {
    "compute_features": FeaturesSettings,
    "train_lsh_model": TrainSettings,
    "index_vectors": IndexSettings,
    "refresh_partition": RefreshSettings,
    "rollback_index": RollbackSettings,
    "retire_builds": RetireSettings,
    "evaluate_index": EvaluateSettings,
}

REQUIRED = {"name": "docs", "source": "/data/docs.parquet"}
GIVEN = REQUIRED | {"partition": "day=1", "encoder": "text", "output": "/data/features"}


def run_params(dag: Any, conf: dict[str, Any]) -> dict[str, Any]:
    """What a task finds under ``params``: the form's defaults under the run's ``conf``, validated."""
    params = ParamsDict(dict(dag.params.items()) if not isinstance(dag, dict) else dag)
    params.update(conf)
    return params.validate()


@pytest.mark.parametrize("dag_id", MODELS)
def test_a_form_has_the_fields_of_its_settings(dags: dict[str, Any], dag_id: str) -> None:
    assert set(dags[dag_id].params) == set(MODELS[dag_id].form_fields().model_fields) - places_written(MODELS[dag_id])


def test_a_form_names_no_place_to_write_to() -> None:
    assert places_written(EvaluateSettings) == {"output"}
    assert "output" not in form(EvaluateSettings, main=("name",))
    for value in ("/etc", "", None):  # As it may come with a run's conf.
        with pytest.raises(SettingsError, match=f"output={value!r}: a DAG writes no files"):
            settings_from_params(EvaluateSettings, {"name": "docs", "output": value})


@pytest.mark.parametrize("dag_id", MODELS)
def test_what_an_untouched_form_sends_are_the_defaults(dags: dict[str, Any], dag_id: str) -> None:
    model = MODELS[dag_id]
    shown = set(model.form_fields().model_fields) - places_written(model)
    needed = {field: value for field, value in GIVEN.items() if field in shown}
    dag = dags[dag_id]
    sent = {name: dag.params.get_param(name).value for name in dag.params} | needed
    assert settings_from_params(model, sent) == model(**needed)


@pytest.mark.parametrize("dag_id", MODELS)
def test_few_fields_are_open_and_required_ones_are_among_them(dags: dict[str, Any], dag_id: str) -> None:
    params = dags[dag_id].params
    is_open = {name for name in params if "section" not in params.get_param(name).schema}
    required = {name for name, field in MODELS[dag_id].model_fields.items() if field.is_required()}
    assert required <= is_open
    assert 1 <= len(is_open) <= 5


@pytest.mark.parametrize("dag_id", MODELS)
def test_every_field_is_described_and_every_choice_has_a_label(dags: dict[str, Any], dag_id: str) -> None:
    params = dags[dag_id].params
    for param in map(params.get_param, params):
        assert param.description
        assert param.schema["title"]
        if "enum" in param.schema:
            assert set(param.schema["values_display"]) == set(param.schema["enum"]) - {None}


def test_the_form_has_the_types_and_bounds_of_the_settings() -> None:
    params = form(TrainSettings, main=("name",))
    assert params["sample"].schema["type"] == ["integer", "null"]
    assert params["sample"].schema["minimum"] == 2
    assert params["spill"].schema["maximum"] == 16
    assert params["metric"].schema["enum"] == ["auto", "l2", "cosine", "dot"]
    assert form(IndexSettings, main=())["text_field"].schema["type"] == ["array", "null"]


def test_a_field_that_does_not_exist_cannot_be_shown() -> None:
    with pytest.raises(SettingsError, match="nothing"):
        form(TrainSettings, main=("nothing",))


@pytest.mark.parametrize(
    "conf", [{"spill": 17}, {"sample": "many"}, {"metric": "jaccard"}, {"seed": -1}, {"name": None}, {}]
)
def test_airflow_itself_refuses_what_the_form_does_not_allow(conf: dict[str, Any]) -> None:
    params = form(TrainSettings, main=("name", "source"))
    complete = {} if conf == {} else REQUIRED
    with pytest.raises(ParamValidationError):
        run_params(params, complete | conf)


INDEX_CONF = st.fixed_dictionaries(
    {"name": st.from_regex(r"[b-v][a-z0-9._-]{1,20}", fullmatch=True), "source": st.just("s3://bucket/docs")},
    optional={
        "model_id": st.sampled_from(["docs-1", None]),
        "text_field": st.lists(st.from_regex(r"[a-z]{1,5}", fullmatch=True), max_size=3),
        "columns": st.none() | st.lists(st.from_regex(r"[a-z]{1,5}", fullmatch=True), max_size=3),
        "shards": st.none() | st.integers(1, 1024),
        "promote": st.booleans(),
        "max_dead_letters": st.integers(0, 10**6),
        "node_wait_seconds": st.floats(1, 1e6),
    },
)


@hypothesis_settings(deadline=None)  # Making a form takes long on a busy machine.
@given(conf=INDEX_CONF)
def test_conf_becomes_the_settings_that_the_command_line_would_make(conf: dict[str, Any]) -> None:
    sent = run_params(form(IndexSettings, main=("name",)), conf)
    assert settings_from_params(IndexSettings, sent) == IndexSettings(**conf)


@pytest.mark.parametrize("emptied", ["", "   ", None, [""], ["", " "]])
@pytest.mark.parametrize("field", ["model_id", "text_field", "columns", "shards"])
def test_an_emptied_field_takes_its_default(field: str, emptied: Any) -> None:
    settings = settings_from_params(IndexSettings, REQUIRED | {field: emptied})
    assert getattr(settings, field) == IndexSettings.model_fields[field].default


def test_a_list_that_is_empty_on_purpose_stays_empty() -> None:
    assert settings_from_params(IndexSettings, REQUIRED | {"columns": []}).columns == ()


def test_lines_of_a_list_are_stripped() -> None:
    sent = REQUIRED | {"text_field": [" title ", "", "body"]}
    assert settings_from_params(IndexSettings, sent).text_field == ("title", "body")


@pytest.mark.parametrize(
    ("model", "sent", "sentence"),
    [
        (
            IndexSettings,
            REQUIRED | {"shard": 3},
            r"shard=3: is not a setting: did you mean shards. there are name, source",
        ),
        (IndexSettings, {"name": "docs"}, r"source=None: must be given"),
        (RetireSettings, {"name": "docs", "keep": 0}, r"keep=0: must be greater than or equal to 1"),
        (RetireSettings, {"name": "A b"}, r"name='A b': must be 1 to 100 characters"),
        (RetireSettings, {"name": "A b", "keep": 0}, r"name='A b': .*; keep=0: "),
    ],
)
def test_what_is_not_allowed_is_one_sentence(model: type[Settings], sent: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence) as refused:
        settings_from_params(model, sent)
    assert "\n" not in str(refused.value)
