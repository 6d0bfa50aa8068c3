"""Command-line options made from a settings model, and the options that every command has."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import click
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from lsh_core.settings import AnySettings, Registered, Settings, TrainSettings, check_name, validated

Command = TypeVar("Command", bound=Callable[..., Any])

_SHORT = {"k": "-k"}


def settings_options(model: type[Settings], *, optional: tuple[str, ...] = ()) -> Callable[[Command], Command]:
    """Give a command one option for each field of `model`, and ``NAME`` as its argument.

    Help texts, choices and defaults are the model's; bounds are checked by the model itself, and so is what is
    required of the `optional` fields.
    """

    def decorate(command: Command) -> Command:
        for name, field in reversed(model.model_fields.items()):
            if name == "model_options":  # Knobs are options of their own: see `TrainCommand`.
                continue
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
            help="Elasticsearch nodes; default: the running local stack.",
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
        help="Dask scheduler; default: the running local stack's, else two workers of its own.",
    )(command)


class RegisteredChoice(click.Choice[str]):
    """Choice among registered names, which are listed when a command needs them."""

    def __init__(self, marker: Registered) -> None:
        self._marker = marker
        super().__init__(())

    @property
    def choices(self) -> tuple[str, ...]:
        """The registered names."""
        return self._marker.names()

    @choices.setter
    def choices(self, _: object) -> None:
        """Ignore the names that the base class stores."""


class TrainCommand(click.Command):
    """Command with an option for each knob of each model; they are made when the options are first needed.

    Neither `airlsh --help` nor another command loads the models.
    """

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the parameters; the options of knobs stand before those of the server."""
        parameters = super().get_params(ctx)
        names = [parameter.name for parameter in parameters]
        fields = TrainSettings.form_fields().model_fields
        knobs = [_option(name, field) for name, field in fields.items() if name not in names]
        place = names.index("es")
        return [*parameters[:place], *knobs, *parameters[place:]]


def _option(name: str, field: FieldInfo) -> click.Parameter:
    """Return the option of a field that is not required."""

    @_parameter(name, field, required=False)
    @click.command()
    def carrier() -> None: ...

    return carrier.params[0]


def _parameter(name: str, field: FieldInfo, *, required: bool) -> Callable[[Command], Command]:
    if name == "name":
        return click.argument("name")
    kind, many = _click_type(field.annotation)
    if marker := next((marker for marker in field.metadata if isinstance(marker, Registered)), None):
        kind = RegisteredChoice(marker)
    options: dict[str, Any] = {"help": field.description}
    if field.is_required() and required:
        options["required"] = True  # With a default, were it None, nothing would be missing.
    elif field.default is not None and field.default is not PydanticUndefined and field.default != ():
        options["help"] = f"{field.description} [default: {field.default}]" if kind is not bool else field.description
    if kind is bool:
        flag = name.replace("_", "-")
        return click.option(f"--{flag}/--no-{flag}", name, default=None, help=options["help"])
    if many:
        options["multiple"] = True
    return click.option(*_spelling(name), name, type=kind, metavar=_metavar(kind), **options)


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


def checked_name(_: click.Context, __: click.Parameter, name: str | None) -> str | None:
    """Refuse, as bad usage, a name that no index of airlsh can have."""
    return name if name is None else checked(name)


def checked(name: str) -> str:
    """Return `name` if an index of airlsh can have it; raise ``click.BadParameter`` otherwise."""
    try:
        return check_name(name)
    except ValueError as error:
        raise click.BadParameter(f"{name!r} {error}") from None


def make_settings(model: type[AnySettings], values: Mapping[str, Any]) -> AnySettings:
    """Make settings from the options that were given.

    Raises
    ------
    SettingsError
        An option that is not allowed.
    """
    return validated(model, given_values(model, values))


def given_values(model: type[Settings], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that were given; lists may be repeated options, or written with commas."""
    given: dict[str, Any] = {}
    for name in model.form_fields().model_fields:
        value = values.get(name)
        if value is None or value == ():
            continue
        if isinstance(value, tuple):
            value = tuple(part.strip() for each in value for part in each.split(",") if part.strip())
        given[name] = value
    return given
