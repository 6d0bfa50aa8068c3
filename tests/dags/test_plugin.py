"""What Airflow's plugin loader makes of the folder ``plugins``."""

from __future__ import annotations

import sys


def test_the_loader_reads_one_file_and_leaves_the_package_alone() -> None:
    from airflow import plugins_manager

    plugins, errors = plugins_manager._get_plugins()
    assert errors == {}
    assert "airlsh" in {plugin.name for plugin in plugins}
    # The loader puts each file that it executes into sys.modules under its bare name.
    assert {"forms", "dask_hook", "elasticsearch_hook", "job_tasks", "services"}.isdisjoint(sys.modules)
