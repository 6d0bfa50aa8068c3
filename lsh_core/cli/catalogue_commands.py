"""``airlsh models`` and ``airlsh builds``: what there is, and moving the alias."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from lsh_core.cli.listing import print_table
from lsh_core.cli.options import checked_name, make_settings, server_options, settings_options
from lsh_core.cli.session import print_json, reported, services
from lsh_core.settings import AbandonSettings, PromoteSettings, ReportSettings, RetireSettings, RollbackSettings
from lsh_core.signals import signals_as_exceptions


@click.group()
def models() -> None:
    """Look at trained models."""


@models.command("list")
@click.argument("name", required=False, callback=checked_name)
@server_options()
def list_models(name: str | None, es: str | None, as_json: bool) -> None:
    """List the models of NAME, or all, newest first."""
    with reported(as_json=as_json):
        from lsh_core.jobs.models import list_models as listed

        found = listed(name, services(es))
        if as_json:
            print_json(found)
            return
        rows = [
            (model["model_id"], model["kind"], model["metric"], str(model["dims"]), model["created_at"])
            for model in found
        ]
        print_table(("model", "kind", "metric", "dims", "created"), rows, right=("dims",))
        if not rows:
            click.echo("no model is there: airlsh train NAME --source ...", err=True)


@models.command("show")
@click.argument("model_id")
@server_options()
def show_model(model_id: str, es: str | None, as_json: bool) -> None:
    """Show all that is recorded of one model: MODEL_ID, or the newest model of a NAME."""
    with reported(as_json=as_json):
        from lsh_core.jobs.models import show_model as shown

        print_json(shown(model_id, services(es)))


@click.group()
def builds() -> None:
    """Look at the builds of an index; report, promote, roll back, abandon, retire."""


@builds.command("list")
@click.argument("name", required=False, callback=checked_name)
@server_options()
def list_builds(name: str | None, es: str | None, as_json: bool) -> None:
    """List the builds of NAME, or all, newest first."""
    with reported(as_json=as_json):
        from lsh_core.jobs.builds import list_builds as listed

        rows = listed(name, services(es))
        if as_json:
            print_json(rows)
            return
        names = () if name is not None else ("name",)
        columns = (*names, "build", "state", "live", "documents", "model")
        print_table(columns, [tuple(_cell(row, column) for column in columns) for row in rows], right=("documents",))
        if not rows:
            click.echo("no build is there: airlsh index NAME --source ...", err=True)


def _cell(row: Mapping[str, Any], column: str) -> str:
    """Return what a list of builds has of a build in a column."""
    if column == "live":
        return "live" if row["live"] else ""
    if column == "documents":
        return "-" if row["documents"] is None else f"{row['documents']:,}"
    return str(row["model_id" if column == "model" else column])


@builds.command("show")
@click.argument("name", callback=checked_name)
@click.option("--build", help="Build to show; default: the live one.")
@server_options()
def show_build(name: str, build: str | None, es: str | None, as_json: bool) -> None:
    """Show all that is recorded of one build of NAME."""
    with reported(as_json=as_json):
        from lsh_core.jobs.builds import show_build as shown

        print_json(shown(name, build, services(es)))


@builds.command("report")
@settings_options(ReportSettings)
@server_options()
def report_build(es: str | None, as_json: bool, **values: Any) -> None:
    """Write the report of the last evaluation of one build of NAME."""
    with reported(as_json=as_json):
        from lsh_core.jobs.report import report

        result = report(make_settings(ReportSettings, values), services(es))
        if as_json:
            print_json(result)
        else:
            click.echo(f"report: {result['report']}")


@builds.command("promote")
@settings_options(PromoteSettings)
@server_options()
def promote_build(es: str | None, as_json: bool, **values: Any) -> None:
    """Move the alias NAME to a verified build."""
    with reported(as_json=as_json), signals_as_exceptions():
        from lsh_core.jobs.builds import promote_build as promote

        _say_moved(promote(make_settings(PromoteSettings, values), services(es)), as_json=as_json)


@builds.command("rollback")
@settings_options(RollbackSettings)
@server_options()
def rollback_build(es: str | None, as_json: bool, **values: Any) -> None:
    """Move the alias NAME back to the build that was live before, or to the one named."""
    with reported(as_json=as_json), signals_as_exceptions():
        from lsh_core.jobs.builds import rollback

        _say_moved(rollback(make_settings(RollbackSettings, values), services(es)), as_json=as_json)


@builds.command("retire")
@settings_options(RetireSettings)
@server_options()
def retire_builds(es: str | None, as_json: bool, **values: Any) -> None:
    """Delete builds of NAME that are neither live nor among the newest."""
    with reported(as_json=as_json), signals_as_exceptions():
        from lsh_core.jobs.retention import retire

        result = retire(make_settings(RetireSettings, values), services(es))
        if as_json:
            print_json(result)
        else:
            click.echo(f"retired {len(result['retired'])} builds, kept {len(result['kept'])}")
            for build in result["retired"]:
                click.echo(f"  {build}")
            for build, reason in result["skipped"].items():
                click.echo(f"skipped {build}: {reason}")


@builds.command("abandon")
@settings_options(AbandonSettings)
@server_options()
def abandon_build(es: str | None, as_json: bool, **values: Any) -> None:
    """Delete a build of NAME that is not live, with all that was recorded of it."""
    with reported(as_json=as_json), signals_as_exceptions():
        from lsh_core.jobs.retention import abandon

        result = abandon(make_settings(AbandonSettings, values), services(es))
        if as_json:
            print_json(result)
        else:
            click.echo(f"abandoned build {result['abandoned']} of {result['name']}")


def _say_moved(moved: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(moved)
    else:
        click.echo(f"{moved['alias']}: {moved['was'] or 'nothing'} -> {moved['live']}")
