"""``airlsh index``: starts or resumes a build."""

from __future__ import annotations

from typing import Any

import click

from lsh_core.cli.options import checked, given_values, make_settings, server_options, settings_options
from lsh_core.cli.session import services
from lsh_core.cli.verb_command import print_result, session
from lsh_core.jobs.verbs import verb
from lsh_core.settings import IndexSettings

_VERB = verb("index")


@click.command()
@settings_options(IndexSettings, optional=("source",))
@click.option("--resume", metavar="BUILD", help="Build to resume, with the settings that it was started with.")
@server_options(dask=True)
def index(es: str | None, dask: str | None, resume: str | None, as_json: bool, **values: Any) -> None:
    """Start a build, or resume one with the settings of its first run."""
    with session(as_json=as_json):
        from lsh_core.jobs.index import resumed_settings, run_index

        if resume is None:
            if values["source"] is None:
                raise click.UsageError(
                    "Missing option '--source': what to index, such as --source rows.parquet. "
                    "(--resume BUILD finishes a build that was started before.)"
                )
            settings, servers = make_settings(IndexSettings, values), services(es, dask)
        else:
            name, given = checked(values["name"]), given_values(IndexSettings, values)
            servers = services(es, dask)
            settings = resumed_settings(name, resume, given, servers)
        print_result(_VERB, run_index(settings, servers, resume), as_json=as_json)
