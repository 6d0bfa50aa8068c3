"""Train a model on a sample of the source, and store it.

`index_vectors` takes the newest model of a name by default. The same seed and the same source give the same model.
"""

from __future__ import annotations

from lsh_airflow.verb_dags import verb_dag

train_lsh_model = verb_dag("train_lsh_model", doc=__doc__, file=__file__)
