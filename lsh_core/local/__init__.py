"""Local stack: Elasticsearch nodes, Dask and Airflow on 127.0.0.1."""
