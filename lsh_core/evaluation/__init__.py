"""Evaluation of search results: exact neighbours to compare with (``exact``) and recall (``recall``)."""
