"""Access to Elasticsearch: one client per node, fully judged answers, checked semantics."""
