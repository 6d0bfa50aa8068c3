"""Parquet sources and tables: finds their files, reads their rows in chunks, and judges which rows can be indexed.

Nothing is imported here, so that ``access``, which a form needs, stays light.
"""
