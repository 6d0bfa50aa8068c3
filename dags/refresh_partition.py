"""Make one partition of the live build equal to its source.

Upserts the rows of the partition, and deletes its documents that are no longer in the source. All later builds get the
same changes. Safe to repeat and to kill: each version of the files is applied once. A run with a partition key, from an
asset or over REST, refreshes that partition. Other runs refresh the partition of the form.
"""

from __future__ import annotations

from lsh_airflow.verb_dags import verb_dag

refresh_partition = verb_dag("refresh_partition", doc=__doc__, file=__file__)
