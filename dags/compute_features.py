"""Encode texts or images into Parquet embeddings, which `train_lsh_model` and `index_vectors` read.

Dask workers encode the rows, on GPUs where there are any. A retry resumes: it encodes only the rows that the run has
not encoded. The last step replaces the manifest of the output. The output must lie under a root that
`AIRLSH_OUTPUT_ROOTS` lists.
"""

from __future__ import annotations

from lsh_airflow.verb_dags import verb_dag

compute_features = verb_dag("compute_features", doc=__doc__, file=__file__)
