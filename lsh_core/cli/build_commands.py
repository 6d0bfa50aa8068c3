"""``airlsh train`` and ``airlsh index``."""

from __future__ import annotations

from typing import Any

import click

from lsh_core.cli.options import TrainCommand, checked, given_values, make_settings, server_options, settings_options
from lsh_core.cli.session import print_json, reported, services
from lsh_core.settings import IndexSettings, TrainSettings
from lsh_core.signals import signals_as_exceptions


@click.command(cls=TrainCommand)
@settings_options(TrainSettings)
@server_options(dask=True)
def train(es: str | None, dask: str | None, as_json: bool, **values: Any) -> None:
    """Train an LSH model for NAME on a sample of the source, and store it."""
    with reported(as_json=as_json), signals_as_exceptions():
        from lsh_core.jobs.train import train as run

        result = run(make_settings(TrainSettings, values), services(es, dask))
        if as_json:
            print_json(result)
            return
        seconds = result["seconds"]
        click.echo(
            f"model {result['model_id']}: {result['model']}, {result['metric']}, {result['dims']} dimensions, "
            f"{result['sample_rows']:,} rows sampled in {seconds['sample']:.1f} s, fitted in {seconds['fit']:.1f} s"
        )


@click.command()
@settings_options(IndexSettings, optional=("source",))
@click.option("--resume", metavar="BUILD", help="Go on with a build that was not finished, with its own settings.")
@server_options(dask=True)
def index(es: str | None, dask: str | None, resume: str | None, as_json: bool, **values: Any) -> None:
    """Load the source into a new build of NAME, verify it, and promote it."""
    with reported(as_json=as_json), signals_as_exceptions():
        from lsh_core.cli.run_report import report_lines
        from lsh_core.jobs.index import resumed_settings, run_index

        if resume is None:
            if values["source"] is None:
                raise click.UsageError(
                    "Missing option '--source': what to index, such as --source rows.parquet. "
                    "(--resume BUILD goes on with a build that was not finished.)"
                )
            settings, servers = make_settings(IndexSettings, values), services(es, dask)
        else:
            name, given = checked(values["name"]), given_values(IndexSettings, values)
            servers = services(es, dask)
            settings = resumed_settings(name, resume, given, servers)
        report = run_index(settings, servers, resume)
        if as_json:
            print_json(report)
        else:
            click.echo("\n".join(report_lines(report)))
