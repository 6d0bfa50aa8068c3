"""Verbs: functions that the command line, the DAGs and Python call with the same settings."""
