"""``airlsh``: the commands, each loaded only when it is used."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from lsh_core.choices import near_names
from lsh_core.version import __version__

_COMMANDS = {
    "features": "lsh_core.cli.features_command",
    "train": "lsh_core.cli.build_commands",
    "index": "lsh_core.cli.build_commands",
    "search": "lsh_core.cli.search_command",
    "evaluate": "lsh_core.cli.evaluate_command",
    "upsert": "lsh_core.cli.change_commands",
    "delete": "lsh_core.cli.change_commands",
    "refresh": "lsh_core.cli.change_commands",
    "models": "lsh_core.cli.catalogue_commands",
    "builds": "lsh_core.cli.catalogue_commands",
    "dead-letters": "lsh_core.cli.dead_letter_commands",
    "up": "lsh_core.cli.stack_commands",
    "down": "lsh_core.cli.stack_commands",
    "status": "lsh_core.cli.stack_commands",
    "doctor": "lsh_core.cli.stack_commands",
    "demo": "lsh_core.cli.stack_commands",
}


_AS_JSON = "lsh_core.as_json"


class _LazyGroup(click.Group):
    """Imports the module of a command when that command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(_COMMANDS[cmd_name])
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in _COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            near = near_names(name, _COMMANDS)
            ctx.fail(f"No such command {name!r}. " + (f"Did you mean {near[0]!r}?" if near else "See airlsh --help."))
        return super().resolve_command(ctx, args)

    def main(self, *args: Any, **options: Any) -> Any:
        try:
            return super().main(*args, **options)
        except OSError as error:
            from lsh_core.cli.session import FAILED, is_of_output

            if not is_of_output(error):
                raise
            click.echo(f"airlsh: the output cannot be written: {error}", err=True)
            # Python writes what is left at its end, and would tell of it a second time.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(FAILED)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[_AS_JSON] = "--json" in args
        with _usage_as_json(ctx):
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        with _usage_as_json(ctx):
            return super().invoke(ctx)


@contextmanager
def _usage_as_json(ctx: click.Context) -> Iterator[None]:
    """Print bad usage as a JSON document too, where one was asked for: whoever reads the output expects one."""
    try:
        yield
    except click.UsageError as error:
        if ctx.meta[_AS_JSON]:
            from lsh_core.cli.session import print_json

            print_json({"error": {"type": "UsageError", "message": error.format_message()}})
        raise


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="airlsh")
def main() -> None:
    """Similarity search in the Elasticsearch you already run.

    Train a model on Parquet embeddings, index them into a build that proves itself complete, search it.
    """
