"""Finds the servers of a task's job in the connections of Airflow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowNotFoundException

from lsh_airflow.dask_hook import DaskHook
from lsh_airflow.elasticsearch_hook import ElasticsearchHook
from lsh_core.errors import SettingsError

if TYPE_CHECKING:
    from lsh_core.jobs.services import Services


def dask_from_connection() -> str:
    """Return the address of the scheduler in the connection ``dask_default``.

    Raises
    ------
    SettingsError
        The connection is missing or incomplete.
    """
    try:
        return DaskHook().address
    except AirflowNotFoundException as error:
        raise _missing(error) from None


def caller_id(context: Mapping[str, Any], part: str = "") -> str:
    """Return the id of `part` of a DAG run as a caller.

    The id is equal in all tries, and differs between mapped copies.
    """
    run = context["dag_run"]
    copy = getattr(context.get("ti"), "map_index", None)
    mapped = f"[{copy}]" if copy is not None and copy >= 0 else ""
    return f"{run.dag_id}/{run.run_id}" + (f"/{part}" if part else "") + mapped


def services_from_connections(context: Mapping[str, Any], part: str = "") -> Services:
    """Return the servers of ``airlsh_elasticsearch_default`` and ``dask_default``.

    Parameters
    ----------
    context
        Context of the task. The caller is its DAG run, equal in all tries.
    part
        Calling part of the run: tasks of one part share leases; other parts are other callers.

    Raises
    ------
    SettingsError
        A connection is missing or incomplete.
    """
    from lsh_core.elastic.leases import Caller
    from lsh_core.jobs.services import Services, this_process

    run = context["dag_run"]
    where = this_process().description
    whose = f"DAG {run.dag_id}, run {run.run_id}" + (f", {part}" if part else "")
    caller = Caller(caller_id(context, part), f"{whose} ({where})")
    try:
        return Services(connection=ElasticsearchHook().connection, dask=DaskHook().address, caller=caller)
    except AirflowNotFoundException as error:
        raise _missing(error) from None


def _missing(error: AirflowNotFoundException) -> SettingsError:
    reason = "create it under Admin > Connections, or give it to the workers as AIRFLOW_CONN_<ID>"
    return SettingsError("connection", str(error), reason)
