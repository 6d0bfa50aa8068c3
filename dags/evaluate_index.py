"""Measure recall and latency of the live build by effort, against the true neighbours.

The queries are indexed rows, each excluded from its own answer, or the rows of a file. The log of the task shows the
table. The record of the build keeps the figures: `airlsh builds report NAME --output DIR` draws them.
"""

from __future__ import annotations

from lsh_airflow.verb_dags import verb_dag

evaluate_index = verb_dag("evaluate_index", doc=__doc__, file=__file__)
