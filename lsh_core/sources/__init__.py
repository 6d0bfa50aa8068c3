"""Sources: finds their files, reads their rows in chunks, and judges which rows can be indexed.

Each kind of file has a reader; see `lsh_core.sources.reader`. Nothing is imported here, so that `allowed_roots`, which
a form needs, stays light.
"""
