"""airlsh's side of Airflow: connection types, hooks, forms from settings models, the step from a task to a job.

``lsh_core`` does the work and never imports Airflow; this package imports both.
"""
