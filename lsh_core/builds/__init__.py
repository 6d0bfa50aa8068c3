"""A build: its names, mapping, documents, record, write fence and alias."""
