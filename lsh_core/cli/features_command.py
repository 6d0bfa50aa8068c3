"""``airlsh features``."""

from __future__ import annotations

from typing import Any

import click

from lsh_core.cli.options import dask_option, json_option, make_settings, settings_options
from lsh_core.cli.session import dask_address, print_json, reported
from lsh_core.settings import FeaturesSettings
from lsh_core.signals import first_interrupt_only, signals_as_exceptions


@click.command()
@settings_options(FeaturesSettings)
@dask_option
@json_option
def features(dask: str | None, as_json: bool, **values: Any) -> None:
    """Turn texts or images into vectors, as Parquet files that train and index read.

    Needs no Elasticsearch. What an earlier run has done is not done again. --encoder takes MODULE:FACTORY too, to try
    an encoder of your own without packaging it: the Dask workers must be able to import MODULE, which is installed
    there or lies in a folder of their PYTHONPATH (the current folder is none). To search by such vectors, register it.
    """
    with reported(as_json=as_json), signals_as_exceptions(), first_interrupt_only():
        from lsh_core.features.report_lines import report_lines
        from lsh_core.jobs.features import compute_features

        result = compute_features(make_settings(FeaturesSettings, values), dask_address(dask), trusted=True)
        if as_json:
            print_json(result)
        else:
            click.echo("\n".join(report_lines(result)))
