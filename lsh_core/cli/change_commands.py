"""``airlsh upsert`` and ``airlsh delete``: changes to what is live."""

from __future__ import annotations

from typing import Any

import click

from lsh_core.cli.options import make_settings, server_options, settings_options
from lsh_core.cli.session import print_json, reported, services
from lsh_core.settings import DeleteSettings, UpsertSettings


@click.command()
@settings_options(UpsertSettings)
@server_options()
def upsert(es: str | None, as_json: bool, **values: Any) -> None:
    """Write the rows of the source into the live build of NAME, and into every later build."""
    with reported(as_json=as_json):
        from lsh_core.jobs.changes import upsert as run

        result = run(make_settings(UpsertSettings, values), services(es))
        if as_json:
            print_json(result)
        else:
            click.echo(f"{result['name']}: {result['upserted']:,} rows written, live in build {result['build']}")


@click.command()
@settings_options(DeleteSettings)
@server_options()
def delete(es: str | None, as_json: bool, **values: Any) -> None:
    """Delete documents from the live build of NAME, and from every later build."""
    with reported(as_json=as_json):
        from lsh_core.jobs.changes import delete as run

        result = run(make_settings(DeleteSettings, values), services(es))
        if as_json:
            print_json(result)
        else:
            click.echo(f"{result['name']}: {result['deleted']:,} ids deleted from build {result['build']}")
