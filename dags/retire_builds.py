"""Delete old builds of an index: those that are neither live nor among the newest.

A run fails if an index run of the name is active, or if a build cannot be deleted. Its log names the build.
"""

from __future__ import annotations

from lsh_airflow.verb_dags import verb_dag

retire_builds = verb_dag("retire_builds", doc=__doc__, file=__file__)
