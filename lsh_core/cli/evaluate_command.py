"""``airlsh evaluate``."""

from __future__ import annotations

from typing import Any

import click

from lsh_core.cli.options import make_settings, server_options, settings_options
from lsh_core.cli.session import print_json, reported, services
from lsh_core.settings import EvaluateSettings
from lsh_core.signals import signals_as_exceptions


@click.command()
@settings_options(EvaluateSettings)
@server_options()
def evaluate(es: str | None, as_json: bool, **values: Any) -> None:
    """Measure what searches of NAME find and how fast, by effort, against the true neighbours."""
    with reported(as_json=as_json), signals_as_exceptions():
        from lsh_core.evaluation.report_lines import report_lines
        from lsh_core.jobs.evaluate import evaluate as run

        result = run(make_settings(EvaluateSettings, values), services(es))
        if as_json:
            print_json(result.to_json())
            return
        click.echo("\n".join(report_lines(result)))
        if result.report is not None:
            click.echo(f"report: {result.report}")
