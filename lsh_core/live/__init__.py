"""Changes after the load of a build.

The room holds the journal, the live writer, and the replay into later builds.
"""
