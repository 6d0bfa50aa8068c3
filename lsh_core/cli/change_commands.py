"""``airlsh upsert``, ``airlsh delete`` and ``airlsh refresh``: changes to what is live."""

from __future__ import annotations

from typing import Any

import click

from lsh_core.cli.options import given_values, make_settings, server_options, settings_options
from lsh_core.cli.session import print_json, reported, services
from lsh_core.settings import DeleteSettings, RefreshSettings, UpsertSettings, validated
from lsh_core.signals import signals_as_exceptions


@click.command()
@settings_options(UpsertSettings)
@server_options()
def upsert(es: str | None, as_json: bool, **values: Any) -> None:
    """Write the rows of the source into the live build of NAME, and into every later build."""
    with reported(as_json=as_json), signals_as_exceptions():
        from lsh_core.jobs.changes import upsert as run

        result = run(make_settings(UpsertSettings, values), services(es))
        if as_json:
            print_json(result)
        else:
            click.echo(
                f"{result['name']}: {result['upserted']:,} rows written ({result['created']:,} created, "
                f"{result['replaced']:,} replaced), live in build {result['build']}"
            )


@click.command()
@settings_options(DeleteSettings)
@click.option(
    "--exact-id",
    "exact_ids",
    multiple=True,
    metavar="TEXT",
    help="Id to delete as it stands, with its commas and outer spaces; may be repeated.",
)
@server_options()
def delete(es: str | None, as_json: bool, exact_ids: tuple[str, ...], **values: Any) -> None:
    """Delete documents from the live build of NAME, and from every later build."""
    with reported(as_json=as_json), signals_as_exceptions():
        from lsh_core.jobs.changes import delete as run

        given = given_values(DeleteSettings, values)
        given["ids"] = (*given.get("ids", ()), *exact_ids)
        result = run(validated(DeleteSettings, given), services(es))
        if as_json:
            print_json(result)
        else:
            deleted, missing = result["deleted"], result["missing"]
            absent = f"; {missing:,} {'id was' if missing == 1 else 'ids were'} not there" if missing else ""
            documents = "document" if deleted == 1 else "documents"
            click.echo(f"{result['name']}: {deleted:,} {documents} deleted from build {result['build']}{absent}")


@click.command()
@settings_options(RefreshSettings)
@server_options()
def refresh(es: str | None, as_json: bool, **values: Any) -> None:
    """Make a partition of NAME what its source is: upsert its rows, delete the documents that left it.

    May be repeated, and killed and repeated: it happens once for the same files.
    """
    with reported(as_json=as_json), signals_as_exceptions():
        from lsh_core.jobs.refresh import refresh_partition as run

        result = run(make_settings(RefreshSettings, values), services(es))
        if as_json:
            print_json(result)
            return
        where = f"{result['name']}, partition {result['partition']}"
        if result["unchanged"]:
            click.echo(f"{where}: these files were refreshed before; nothing to do (--again writes them once more)")
        else:
            click.echo(
                f"{where}: {result['upserted']:,} documents written, {result['deleted']:,} deleted, "
                f"live in build {result['build']}"
            )
