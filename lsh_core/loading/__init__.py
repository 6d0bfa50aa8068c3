"""Loads rows into a build, and verifies the index.

Chunks are read, hashed, sent and entered in the ledger.
"""
