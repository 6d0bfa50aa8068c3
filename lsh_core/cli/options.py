"""Options of commands, from settings models or common to commands."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import click
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from lsh_core.settings import AnySettings, Positional, Registered, Settings, Verbatim, check_name, meaning_of, validated

Command = TypeVar("Command", bound=Callable[..., Any])

_SHORT = {"k": "-k"}


def settings_options(model: type[Settings], *, optional: tuple[str, ...] = ()) -> Callable[[Command], Command]:
    """Give a command one option for each field of `model`, and arguments for its names.

    Help texts, choices and defaults come from the model. The model itself checks bounds, and requires the `optional`
    fields.
    """

    def decorate(command: Command) -> Command:
        for name, field in reversed(model.form_fields().model_fields.items()):
            command = _parameter(name, field, required=name not in optional)(command)
        return command

    return decorate


def server_options(*, dask: bool = False) -> Callable[[Command], Command]:
    """Give a command ``--es``, ``--json`` and, where it computes, ``--dask``."""

    def decorate(command: Command) -> Command:
        command = json_option(command)
        if dask:
            command = dask_option(command)
        return click.option(
            "--es",
            envvar="AIRLSH_ES_URL",
            metavar="URL[,URL...]",
            help="URLs of Elasticsearch nodes. Default: the running local stack.",
        )(command)

    return decorate


def json_option(command: Command) -> Command:
    """Give a command ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")(command)


def dask_option(command: Command) -> Command:
    """Give a command ``--dask``."""
    return click.option(
        "--dask",
        envvar="AIRLSH_DASK",
        metavar="ADDRESS",
        help="Address of a Dask scheduler, such as tcp://host:8786. Default: the running local stack, else two "
        "own workers.",
    )(command)


def _parameter(name: str, field: FieldInfo, *, required: bool) -> Callable[[Command], Command]:
    if name == "name" or Positional in field.metadata:
        return click.argument(name, required=field.is_required())
    kind, many = _click_type(field.annotation)
    if marker := next((marker for marker in field.metadata if isinstance(marker, Registered)), None):
        kind = click.Choice(marker.names())
    options: dict[str, Any] = {"help": _help(name, field)}
    if field.is_required() and required:
        options["required"] = True  # With a default of None, click would not require the option.
    if kind is bool:
        flag = name.replace("_", "-")
        return click.option(f"--{flag}/--no-{flag}", name, default=None, help=options["help"])
    if many:
        options["multiple"] = True
    return click.option(*_spelling(name), name, type=kind, metavar=_metavar(kind), **options)


def _help(name: str, field: FieldInfo) -> str:
    """Return the help of a field: description, choices, default and bounds."""
    facts = "; ".join(filter(None, (_default(name, field), _bounds(field))))
    return f"{meaning_of(field)} [{facts}]" if facts else meaning_of(field)


def _default(name: str, field: FieldInfo) -> str:
    if field.default is None or field.default is PydanticUndefined or field.default == ():
        return ""
    if isinstance(field.default, bool):
        return f"default: {'' if field.default else 'no-'}{name.replace('_', '-')}"
    return f"default: {field.default:,}" if isinstance(field.default, int | float) else f"default: {field.default}"


def _bounds(field: FieldInfo) -> str:
    """Return the bounds of a number in words; empty for a field without bounds."""
    low, high = _bound(field, "ge"), _bound(field, "le")
    above = _bound(field, "gt")
    lower = f"{low:,}" if low is not None else f"above {above:,}" if above is not None else ""
    if high is None:
        return f"{lower} or more" if low is not None else lower
    return f"{lower} to {high:,}" if lower else f"{high:,} or less"


def _bound(field: FieldInfo, name: str) -> float | None:
    return next((bound for each in field.metadata if (bound := getattr(each, name, None)) is not None), None)


def _spelling(name: str) -> tuple[str, ...]:
    return (_SHORT[name],) if name in _SHORT else (f"--{name.replace('_', '-')}",)


def _metavar(kind: Any) -> str | None:
    return {int: "N", float: "X", str: "TEXT"}.get(kind)


def _click_type(annotation: Any) -> tuple[Any, bool]:
    """Return the click type of an annotation, and whether the option may be repeated."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return _click_type(next(argument for argument in arguments if argument is not type(None)))
    if origin is Literal:
        return click.Choice([str(argument) for argument in arguments]), False
    if origin is tuple:
        return str, True
    if annotation in (int, float, bool):
        return annotation, False
    return str, False


def checked(name: str) -> str:
    """Return `name` if an index of airlsh can have it; raise ``click.BadParameter`` otherwise."""
    try:
        return check_name(name)
    except ValueError as error:
        raise click.BadParameter(f"{name!r} {error}") from None


def make_settings(model: type[AnySettings], values: Mapping[str, Any]) -> AnySettings:
    """Make settings from the options of a call.

    Raises
    ------
    SettingsError
        An option is not allowed.
    """
    return validated(model, given_values(model, values))


def given_values(model: type[Settings], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a call.

    Lists may be repeated options, or items separated by commas.
    """
    given: dict[str, Any] = {}
    for name, field in model.form_fields().model_fields.items():
        value = values.get(name)
        if value is None or value == ():
            continue
        if isinstance(value, tuple) and Verbatim not in field.metadata:
            value = tuple(part.strip() for each in value for part in each.split(",") if part.strip())
        given[name] = value
    return given
