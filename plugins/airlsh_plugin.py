"""Airflow plugin: the only file of this folder that the loader reads.

Connection types need no plugin (``lsh_airflow.provider_info`` registers them), and the DAGs import ``lsh_airflow`` as
an installed package. The plugin registers only a name. Things that Airflow accepts only from plugins (pages, operator
links) are registered here, with their code in the package. ``.airflowignore`` hides every other file below this folder
from the loader, which executes all files that it finds, and puts them into ``sys.modules`` under the bare file name.
"""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin


class AirlshPlugin(AirflowPlugin):
    """Shows under Admin > Plugins that airlsh is installed."""

    name = "airlsh"
