"""The program behind ``make demo``: the whole way from Parquet to neighbours, on real servers, through Airflow."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from lsh_core.elastic.connection import Connection
from lsh_core.errors import NotFoundError
from lsh_core.local.airflow_rest import AirflowRest
from lsh_core.local.demo_answers import Packages, measured_recall, neighbour_lines
from lsh_core.local.interruption import endings_raised
from lsh_core.local.run_progress import RunProgress
from lsh_core.local.stack import start_stack, stop_stack
from lsh_core.local.start import CHECKOUT
from lsh_core.local.state import FOLDER, running_stack

logger = logging.getLogger("lsh_core.local")

NAME = "debian-packages"
SOURCE = CHECKOUT / "examples" / "debian_packages.parquet"
WELL_KNOWN = ("postgresql", "gimp", "openssh-server", "vlc", "python3")
NEIGHBOURS = 5
RECALL_QUERIES = 300


def run_demo(report_lines: Callable[[Mapping[str, Any]], Iterable[str]], *, nodes: int = 3) -> int:
    """Start a stack of its own, train and index through Airflow, measure, search, and stop the stack.

    What it finds out is printed to standard output, how far it is is logged.

    Parameters
    ----------
    report_lines
        How the report of an index run is shown.
    nodes
        Elasticsearch nodes.

    Returns
    -------
    int
        0; whatever fails is raised, after the stack was stopped.

    Raises
    ------
    NotFoundError
        The example data are not there.
    StackError
        The stack could not be started.
    DagRunError
        A run failed.
    """
    if not SOURCE.is_file():
        raise NotFoundError("file", str(SOURCE), "the demo runs in a checkout of the project")
    # Beside a stack that may be running in the usual folder, and without what that one has stored.
    folder = Path(FOLDER) / "demo"
    if running_stack(folder) is None:
        # Of a demo that was interrupted: its unfinished runs would keep those of this one waiting.
        stop_stack(folder, delete_data=True)
    with endings_raised(), start_stack(nodes=nodes, folder=folder) as stack:
        report = _train_and_index(AirflowRest(str(stack.airflow)))
        click.echo("\n".join(["", *report_lines(report)]))
        _show_answers(Connection(urls=stack.elasticsearch))
        logger.info("stopping the stack")
        stack.stop(delete_data=True)
    return 0


def _train_and_index(airflow: AirflowRest) -> dict[str, Any]:
    """Run both DAGs and return the report of the second."""
    columns = {"name": NAME, "source": str(SOURCE), "id": "id", "vector": "embedding"}
    model = _run(airflow, "train_lsh_model", "train", {**columns, "metric": "cosine", "model": "ivf"})
    click.echo(f"\nmodel {model['model_id']}: {model['model']}, {model['dims']} dimensions, {model['metric']}")
    report: dict[str, Any] = _run(airflow, "index_vectors", "summarise", {**columns, "text_field": ["description"]})
    return report


def _run(airflow: AirflowRest, dag_id: str, task: str, conf: Mapping[str, Any]) -> Any:
    """Run a DAG to its end and return what `task` returned."""
    run_id = airflow.trigger(dag_id, conf)
    logger.info("%s: started, see %s/dags/%s", dag_id, airflow.address, dag_id)
    airflow.wait(dag_id, run_id, RunProgress(dag_id))
    return airflow.result(dag_id, run_id, task)


def _show_answers(connection: Connection) -> None:
    from lsh_core.search.vector_index import VectorIndex

    packages, index = Packages.read(SOURCE), VectorIndex(connection, NAME)
    recall = measured_recall(index, packages, queries=RECALL_QUERIES)
    click.echo(f"\nrecall@10 against exact: {recall:.3f} ({RECALL_QUERIES} packages, each left out of its own answer)")
    click.echo("\n".join(neighbour_lines(index, packages, WELL_KNOWN, k=NEIGHBOURS)))
