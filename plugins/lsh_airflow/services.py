"""The servers that a task's job works with, from Airflow's connections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk.exceptions import AirflowNotFoundException

from lsh_airflow.dask_hook import DaskHook
from lsh_airflow.elasticsearch_hook import ElasticsearchHook
from lsh_core.errors import SettingsError

if TYPE_CHECKING:
    from lsh_core.jobs.services import Services


def services_from_connections() -> Services:
    """Return what the connections ``airlsh_elasticsearch_default`` and ``dask_default`` point to.

    Raises
    ------
    SettingsError
        A connection that is not there, or is incomplete.
    """
    from lsh_core.jobs.services import Services

    try:
        return Services(connection=ElasticsearchHook().connection, dask=DaskHook().address)
    except AirflowNotFoundException as error:
        reason = "create it under Admin > Connections, or give it to the workers as AIRFLOW_CONN_<ID>"
        raise SettingsError("connection", str(error), reason) from None
