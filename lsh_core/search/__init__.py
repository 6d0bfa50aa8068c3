"""Nearest neighbours of vectors and ids over what was indexed: one Elasticsearch request a query, no scripts."""
