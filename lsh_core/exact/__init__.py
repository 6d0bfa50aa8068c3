"""Exact nearest rows by brute force: of one block of rows, and of a source that is compared chunk by chunk."""
