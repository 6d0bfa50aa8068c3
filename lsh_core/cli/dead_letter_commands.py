"""``airlsh dead-letters``: rows that could not be indexed, and their replay."""

from __future__ import annotations

from typing import Any

import click

from lsh_core.cli.options import checked_name, make_settings, server_options, settings_options
from lsh_core.cli.session import print_json, reported, services
from lsh_core.settings import ReplaySettings
from lsh_core.signals import signals_as_exceptions


@click.group("dead-letters")
def dead_letters() -> None:
    """Look at rows that could not be indexed, and load them once they are corrected."""


@dead_letters.command("list")
@click.argument("name", callback=checked_name)
@click.option("--build", help="Build to look at; default: the latest.")
@server_options()
def list_dead_letters(name: str, build: str | None, es: str | None, as_json: bool) -> None:
    """List the refused rows of a build of NAME, with their place and reason."""
    with reported(as_json=as_json):
        from lsh_core.jobs.dead_letters import build_dead_letters

        dead_letters = build_dead_letters(name, build, services(es))
        if as_json:
            print_json([dead_letter.facts() for dead_letter in dead_letters])
        else:
            for dead_letter in dead_letters:
                click.echo(str(dead_letter))
            if not dead_letters:
                click.echo("no row of this build was refused", err=True)


@dead_letters.command("replay")
@settings_options(ReplaySettings)
@server_options()
def replay(es: str | None, as_json: bool, **values: Any) -> None:
    """Load corrected rows of a build of NAME in the place of those that were refused, and verify it again."""
    with reported(as_json=as_json), signals_as_exceptions():
        from lsh_core.cli.run_report import report_lines
        from lsh_core.jobs.dead_letters import replay_dead_letters

        result = replay_dead_letters(make_settings(ReplaySettings, values), services(es))
        if as_json:
            print_json(result.to_json())
            return
        click.echo(
            f"{result.replayed:,} dead letters replayed, {result.still_refused:,} refused again, "
            f"{result.unmatched:,} without a corrected row"
        )
        if result.passed_over:
            click.echo(f"{result.passed_over:,} rows of other ids changed nothing")
        for line in report_lines(result.report):
            click.echo(line)
