"""Move the alias of an index back to an earlier build, in one atomic step.

A run that is retried or cleared repeats its answer, and does not move the alias again.
"""

from __future__ import annotations

from lsh_airflow.verb_dags import verb_dag

rollback_index = verb_dag("rollback_index", doc=__doc__, file=__file__)
