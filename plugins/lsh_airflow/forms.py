"""Makes forms of DAGs from settings models, and settings from forms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from airflow.sdk import Param

from lsh_core.errors import SettingsError
from lsh_core.settings import AnySettings, Settings, labels_of, places_written, validated

ADVANCED = "Advanced"

_NOT_SHOWN = ("title", "default", "description")


def form(
    model: type[Settings],
    *,
    main: Iterable[str],
    labels: Mapping[str, Mapping[str, str]] | None = None,
    given_by_run: Iterable[str] = (),
    defaults: Mapping[str, Any] | None = None,
) -> dict[str, Param]:
    """Make the params of a DAG from a settings model.

    Parameters
    ----------
    main
        Fields of the main section, in this order. Other fields go into the section "Advanced", which Airflow shows
        folded.
    labels
        Texts that the form shows for the choices of a field; default: from the settings.
    given_by_run
        Required fields that may come with the run in place of the form.
    defaults
        Initial values, by field. A DAG with a schedule needs one for each field without a default.

    Returns
    -------
    dict
        One `Param` per field, with its type, bounds, default, title and description. Airflow refuses to start a run
        without a value for a field without a default. Fields that name a place to write to are left out.
    """
    properties: dict[str, dict[str, Any]] = model.form_fields().model_json_schema()["properties"]
    for written in places_written(model):
        del properties[written]
    main = tuple(main)
    own = dict(defaults or {})
    for argument, named in (("main", main), ("defaults", own)):
        if unknown := set(named) - set(properties):
            raise SettingsError(argument, sorted(unknown), f"{model.__name__} has no such fields")
    params = {}
    for field in (*main, *(name for name in properties if name not in main)):
        schema = _one_type_list(properties[field])
        if shown_choices := (labels or {}).get(field) or _labels(model, field):
            schema["values_display"] = dict(shown_choices)
        if field not in main:
            schema["section"] = ADVANCED
        shown = properties[field]
        default = {"default": shown["default"]} if "default" in shown else {}
        if field in given_by_run:
            default, schema["type"] = {"default": None}, [schema["type"], "null"]
        if field in own:
            default = {"default": own[field]}
        params[field] = Param(**default, description=shown["description"], title=shown["title"], **schema)
    return params


def settings_from_params(model: type[AnySettings], params: Mapping[str, Any]) -> AnySettings:
    """Make settings from the params of a run.

    An emptied field arrives as ``""``, ``None`` or ``[""]``, and takes its default. So does a key that is missing
    from the ``conf`` of a run. An empty list stays an empty list.

    Raises
    ------
    SettingsError
        A value is not allowed, or a key is not a field of the form.
    """
    for written in places_written(model) & params.keys():
        raise SettingsError(written, params[written], "a DAG writes no files: leave it out, or use the command line")
    given = {}
    for field, value in params.items():
        typed = _typed(value)
        if typed is not None:
            given[field] = typed
    return validated(model, given)


def _labels(model: type[Settings], field: str) -> dict[str, str]:
    """Return the choices of a field with their meanings, as a form shows them."""
    return {
        value: f"{value}: {meaning}" for value, meaning in labels_of(model.form_fields().model_fields[field]).items()
    }


def _one_type_list(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Turn pydantic's ``anyOf [T, null]`` into the ``type: [T, "null"]`` that the form understands."""
    kept = {key: value for key, value in schema.items() if key not in _NOT_SHOWN}
    branches = kept.pop("anyOf", [kept])
    (wanted,) = (branch for branch in branches if branch.get("type") != "null")
    merged = {**kept, **wanted}
    # The form sends null for a list that was typed and then emptied, for any declared type.
    if len(branches) > 1 or merged["type"] == "array":
        merged["type"] = [merged["type"], "null"]
        if "enum" in merged:
            merged["enum"] = [*merged["enum"], None]
    return merged


def _typed(value: Any) -> Any:
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, list | tuple) and value:
        items = [item for item in map(_typed, value) if item is not None]
        return items or None
    return value
