"""Elasticsearch as airlsh uses it: one client a node, answers judged whole, semantics proved before use."""
