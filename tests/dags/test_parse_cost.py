"""DAG files are parsed every half minute and at each start of a task: nothing heavy may come with them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]

HEAVY = (
    *("tensorflow", "keras", "dask", "distributed", "sklearn", "scipy", "numpy", "pyarrow", "elasticsearch"),
    *("elastic_transport", "matplotlib"),
)

PARSE_AND_LIST_HEAVY = f"""
import runpy, sys
for file in sys.argv[1:]:
    runpy.run_path(file)
    print(file, *sorted(set({HEAVY!r}) & set(sys.modules)))
"""

FILES = sorted([*(PROJECT / "dags").glob("*.py"), PROJECT / "plugins" / "airlsh_plugin.py"])


def test_the_files_that_airflow_parses_import_nothing_heavy() -> None:
    parsed = subprocess.run(
        [sys.executable, "-c", PARSE_AND_LIST_HEAVY, *map(str, FILES)], capture_output=True, text=True, check=False
    )
    assert parsed.returncode == 0, parsed.stderr
    assert parsed.stdout.splitlines() == [str(file) for file in FILES]


def test_the_hooks_are_imported_without_their_clients() -> None:
    # The API server imports them for the connection test.
    modules = "lsh_airflow.dask_hook, lsh_airflow.elasticsearch_hook, lsh_airflow.job_tasks, lsh_airflow.provider_info"
    code = f"import sys, {modules}\nprint(*sorted(set({HEAVY!r}) & set(sys.modules)))"
    imported = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert imported.stdout.split() == []
