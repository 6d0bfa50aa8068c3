"""The verbs: each is one function that the command line, the DAGs and Python call with the same settings."""
