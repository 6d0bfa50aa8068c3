"""The embedded stack: Elasticsearch nodes, Dask and Airflow on 127.0.0.1, started and stopped as a unit."""
