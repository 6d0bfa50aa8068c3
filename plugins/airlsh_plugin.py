"""The one file of this folder that Airflow's plugin loader reads.

Connection types need no plugin (``lsh_airflow.provider_info`` registers them), and the DAGs import
``lsh_airflow`` as the installed package that it is. The plugin registers a name and nothing else:
what Airflow only takes from plugins (pages, operator links) is added here, its code in the package.
Every other file below this folder is kept from the loader by ``.airflowignore``, since the loader
executes what it finds and puts it into ``sys.modules`` under the bare file name.
"""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin


class AirlshPlugin(AirflowPlugin):
    """Shows under Admin > Plugins that airlsh is installed."""

    name = "airlsh"
