"""Commands of the local stack: ``airlsh up``, ``down``, ``status``, ``doctor`` and ``demo``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lsh_core.cli.options import server_options
from lsh_core.cli.session import FAILED, print_json, reported, services

if TYPE_CHECKING:
    from lsh_core.local.doctor import Check

_FOLDER = Path(".airlsh")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
_NODES = click.option(
    "--nodes", type=click.IntRange(1, 9), default=1, show_default=True, help="Number of Elasticsearch nodes."
)


@click.command()
@_NODES
@click.option("--workers", type=click.IntRange(1, 64), default=2, show_default=True, help="Number of Dask workers.")
@click.option("--airflow/--no-airflow", default=True, help="Start Airflow too.", show_default=True)
@_JSON
def up(nodes: int, workers: int, airflow: bool, as_json: bool) -> None:
    """Start Elasticsearch, Dask and Airflow on this machine.

    They run until `airlsh down`. Data and logs lie in the folder .airlsh.
    """
    with reported(as_json=as_json):
        from lsh_core.local.stack import stack_status, start_stack

        start_stack(nodes=nodes, workers=workers, airflow=airflow, folder=_FOLDER)
        _print_status(stack_status(_FOLDER).to_json(), as_json=as_json)


@click.command()
@_JSON
def down(as_json: bool) -> None:
    """Stop the local stack.

    Its data stay, and the next `airlsh up` finds them.
    """
    with reported(as_json=as_json):
        from lsh_core.local.stack import stop_stack

        stopped = stop_stack(_FOLDER)
        if as_json:
            print_json({"stopped": stopped})
        else:
            click.echo(f"stopped {', '.join(stopped)}" if stopped else "nothing was running")


@click.command()
@_JSON
def status(as_json: bool) -> None:
    """Show the addresses of the local stack; exits with 1 if a part of it has stopped."""
    with reported(as_json=as_json):
        from lsh_core.local.stack import stack_status

        found = stack_status(_FOLDER)
        _print_status({**found.to_json(), "red_indices": _red(found.elasticsearch)}, as_json=as_json)
        if found.stopped:
            raise click.exceptions.Exit(FAILED)


@click.command()
@server_options()
def doctor(es: str | None, as_json: bool) -> None:
    """Check this machine and its Elasticsearch.

    Exits with 1 if a check fails. Each failure names its remedy.
    """
    with reported(as_json=as_json):
        from lsh_core.local.doctor import check_machine

        checks = [*check_machine(_FOLDER), *_check_server(es)]
        if as_json:
            print_json([check._asdict() for check in checks])
        else:
            for check in checks:
                click.echo(f"{'ok  ' if check.ok else 'FAIL'}  {check.check:14}  {check.detail}")
                if check.remedy:
                    click.echo(f"      {check.remedy}")
        if not all(check.ok for check in checks):
            raise click.exceptions.Exit(FAILED)


@click.command()
@click.option("--nodes", type=click.IntRange(1, 9), default=3, show_default=True, help="Number of Elasticsearch nodes.")
def demo(nodes: int) -> None:
    """Train, index and search 10,000 packages on a separate stack.

    Runs the DAGs through Airflow, and stops and deletes the stack afterwards. Needs a checkout of the project.
    """
    with reported():
        from lsh_core.jobs.index_report_lines import report_lines
        from lsh_core.local.demo import run_demo

        run_demo(report_lines, click.echo, nodes=nodes)


def _check_server(es: str | None) -> list[Check]:
    """Check the Elasticsearch that airlsh would use; pass without one."""
    from lsh_core.elastic.red_indices import red_indices_if_told
    from lsh_core.elastic.server_check import check_server
    from lsh_core.errors import AirlshError, SettingsError
    from lsh_core.local.doctor import Check

    try:
        cluster = services(es).cluster
    except SettingsError as error:
        return [Check("elasticsearch", True, f"not checked: {error.reason}")]
    try:
        facts = check_server(cluster)
    except AirlshError as error:
        remedy = "Start one with `airlsh up`, or name another with --es URL."
        return [Check("elasticsearch", False, str(error), remedy)]
    nodes = "1 data node" if facts.data_nodes == 1 else f"{facts.data_nodes} data nodes"
    found = f"{', '.join(facts.versions)} at {', '.join(cluster.urls)}, {nodes}"
    red = red_indices_if_told(cluster)
    # A warning: airlsh does not wait for red indices.
    warnings = [Check("red index", True, str(each), f"To remove it: {each.command}") for each in red]
    return [Check("elasticsearch", True, f"{found}, semantics proved"), *warnings]


def _red(urls: Sequence[str]) -> list[dict[str, str]]:
    """Return the red indices of the local cluster; empty if it does not answer."""
    from dataclasses import asdict

    from lsh_core.elastic.cluster import Cluster
    from lsh_core.elastic.connection import Connection
    from lsh_core.elastic.red_indices import red_indices_if_told

    return [asdict(each) for each in red_indices_if_told(Cluster(Connection(tuple(urls))))] if urls else []


def _print_status(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    if not any(found.values()):
        click.echo("nothing is running: airlsh up")
        return
    for each in found.pop("red_indices", ()):
        click.echo(f"index {each['index']} is red: {each['reason']}; to remove it: {each['command']}", err=True)
    stopped, remedy = found.pop("stopped"), found.pop("remedy")
    for part, address in found.items():
        if address:
            click.echo(f"{part:15} {', '.join(address) if isinstance(address, list) else address}")
    for part in stopped:
        click.echo(f"{part:15} stopped; to start it again: {remedy}")
