"""Dask machinery behind the verbs: workers, tasks, liveness and thread budgets."""
