"""Airflow side of airlsh: connection types, hooks, forms, and calls of jobs from tasks.

``lsh_core`` does the work and never imports Airflow; this package imports both.
"""
