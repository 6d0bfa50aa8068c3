"""Searches for nearest neighbours, with one Elasticsearch request per query and no scripts."""
