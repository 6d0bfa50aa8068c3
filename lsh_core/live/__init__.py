"""Changes after the load of a build.

This package holds the journal, the live writer, and the replay into later builds.
"""
