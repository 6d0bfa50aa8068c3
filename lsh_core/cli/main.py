"""``airlsh``: the group of all commands."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from lsh_core.choices import near_names
from lsh_core.cli.verb_command import command_of
from lsh_core.jobs.verbs import GROUPS, VERBS, load
from lsh_core.version import __version__

_STACK = ("up", "down", "status", "doctor", "demo")
_STACK_MODULE = "lsh_core.cli.stack_commands"
_SINGLE = {each.name: each for each in VERBS if " " not in each.name}

_AS_JSON = "lsh_core.as_json"


class _Suggesting(click.Group):
    """Group that suggests the nearest name for an unknown command."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, known = args[0], self.list_commands(ctx)
        if name not in known and not name.startswith("-") and not ctx.resilient_parsing:
            near = near_names(name, known)
            path = " ".join(("airlsh", *ctx.command_path.split()[1:]))
            ctx.fail(f"No such command {name!r}. " + (f"Did you mean {near[0]!r}?" if near else f"See {path} --help."))
        return super().resolve_command(ctx, args)


class _VerbGroup(_Suggesting):
    """Verbs of two words with the same first word."""

    def __init__(self, name: str) -> None:
        super().__init__(name, help=GROUPS[name], no_args_is_help=True)
        self._verbs = {each.name.partition(" ")[2]: each for each in VERBS if each.name.startswith(f"{name} ")}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        found = self._verbs.get(cmd_name)
        return None if found is None else command_of(found)


class _Airlsh(_Suggesting):
    """Group of all commands: verbs of the register, and the local stack.

    Each command is made on first use.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*_SINGLE, *GROUPS, *_STACK]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in _SINGLE:
            return command_of(_SINGLE[cmd_name])
        if cmd_name in GROUPS:
            return _VerbGroup(cmd_name)
        return load(f"{_STACK_MODULE}:{cmd_name}") if cmd_name in _STACK else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands in three sections, each with its whole summary."""
        for title, summaries in (
            ("Commands", {name: each.summary for name, each in _SINGLE.items()}),
            ("Commands with subcommands", GROUPS),
            (
                "Local stack",
                {name: str(load(f"{_STACK_MODULE}:{name}").get_short_help_str(limit=100)) for name in _STACK},
            ),
        ):
            with formatter.section(title):
                formatter.write_dl(list(summaries.items()))

    def main(self, *args: Any, **options: Any) -> Any:
        try:
            return super().main(*args, **options)
        except OSError as error:
            from lsh_core.cli.session import FAILED, is_of_output

            if not is_of_output(error):
                raise
            click.echo(f"airlsh: the output cannot be written: {error}", err=True)
            # Python flushes standard output at exit, and would report the error again.
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
    """Print bad usage as a JSON document too, where --json is among the arguments."""
    try:
        yield
    except click.UsageError as error:
        if ctx.meta[_AS_JSON]:
            from lsh_core.cli.session import print_json

            print_json({"error": {"type": "UsageError", "message": error.format_message()}})
        raise


@click.group(cls=_Airlsh, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="airlsh")
def main() -> None:
    """Similarity search in the Elasticsearch you already run.

    Train a model on Parquet embeddings, index them into a verified build, and search it.

    \b
      airlsh train packages --source packages.parquet
      airlsh index packages --source packages.parquet
      airlsh search packages --id gimp

    NAME is the alias that people query. Each index run makes a new build behind it.
    """
