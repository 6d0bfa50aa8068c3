"""Retrieval strategies: fields, stored codes and queries, one module per strategy. Pure: no I/O."""
