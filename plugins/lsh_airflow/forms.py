"""From a settings model to the form that Airflow shows, and from what was typed back to settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from airflow.sdk import Param

from lsh_core.errors import SettingsError
from lsh_core.settings import AnySettings, Settings, places_written, validated

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
        Fields that are seen at once, in this order. Airflow opens the params without a section and
        folds every section, so the others go into one section, "Advanced".
    labels
        For a field with a choice of values: what the form shows for each value.
    given_by_run
        Fields that must be given, but may come with the run instead of with the form.
    defaults
        Values that the form starts with, by field. A DAG with a schedule needs one for each field without a default.

    Returns
    -------
    dict
        One `Param` a field, with its type, bounds, default, title and description. A field without a
        default becomes a param without one, which Airflow refuses to run without. A field that names a place to
        write to becomes none.
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
        if labels and field in labels:
            schema["values_display"] = dict(labels[field])
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

    A field that was emptied arrives as ``""``, ``None`` or ``[""]``: it takes its default, as it does
    when the key is left out of a run's ``conf``. A list that is truly empty stays an empty list.

    Raises
    ------
    SettingsError
        A value that is not allowed, or a key that is no field of the form.
    """
    for written in places_written(model) & params.keys():
        raise SettingsError(written, params[written], "a DAG writes no files: leave it out, or use the command line")
    given = {}
    for field, value in params.items():
        typed = _typed(value)
        if typed is not None:
            given[field] = typed
    return validated(model, given)


def _one_type_list(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Turn pydantic's ``anyOf [T, null]`` into the ``type: [T, "null"]`` that the form understands."""
    kept = {key: value for key, value in schema.items() if key not in _NOT_SHOWN}
    branches = kept.pop("anyOf", [kept])
    (wanted,) = (branch for branch in branches if branch.get("type") != "null")
    merged = {**kept, **wanted}
    # The form sends null for a list that was typed and then emptied, whatever its type says.
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
