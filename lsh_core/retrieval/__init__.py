"""Retrieval strategies: what an index maps, stores and is asked for, one module for each. Pure: no I/O."""
