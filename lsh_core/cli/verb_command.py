"""Commands made from the register of verbs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from lsh_core.cli.options import dask_option, json_option, make_settings, server_options, settings_options
from lsh_core.cli.session import dask_address, print_json, reported, services
from lsh_core.jobs.verbs import Needs, Verb, load
from lsh_core.json_form import plain
from lsh_core.signals import signals_as_exceptions


def command_of(verb: Verb) -> click.Command:
    """Return the command of `verb`, made from its row or written by hand."""
    if verb.command is not None:
        written: click.Command = load(verb.command)
        written.help = verb.help
        return written

    def call(es: str | None = None, dask: str | None = None, as_json: bool = False, **values: Any) -> None:
        with session(as_json=as_json):
            settings = make_settings(verb.settings, values)
            servers = dask_address(dask) if verb.needs is Needs.DASK else services(es, dask)
            print_result(verb, verb.call(settings, servers, **verb.command_arguments), as_json=as_json)

    options = settings_options(verb.settings)(_server_options(verb.needs)(call))
    return click.command(verb.name.rpartition(" ")[2], help=verb.help)(options)


@contextmanager
def session(*, as_json: bool) -> Iterator[None]:
    """Run the body of a command.

    Logs go to standard error, signals let it clean up, and an error becomes a message and an exit code.
    """
    with reported(as_json=as_json), signals_as_exceptions():
        yield


def print_result(verb: Verb, result: Any, *, as_json: bool) -> None:
    """Print the result of `verb` as one JSON document, or by its renderer."""
    if as_json or verb.lines is None:
        print_json(plain(result))
        return
    lines = list(verb.result_lines(result))
    if lines:
        click.echo("\n".join(lines))
    elif verb.if_empty:
        click.echo(verb.if_empty, err=True)


def _server_options(needs: Needs) -> Any:
    if needs is Needs.DASK:
        return lambda command: dask_option(json_option(command))
    return server_options(dask=needs is Needs.ELASTICSEARCH_AND_DASK)
