"""Order of the stages of an index run.

The runner, the tasks of a DAG and the report of a run are made from ``STAGES``. Each stage is a function of its own
name in a module of its own name. Imports nothing heavy: DAG files read it.
"""

from __future__ import annotations

from typing import NamedTuple


class StageEntry(NamedTuple):
    """Stage: its name, and the first sentence of its task's documentation."""

    name: str
    summary: str


STAGES = (
    StageEntry("check", "Check servers, source, columns and model before anything is written."),
    StageEntry("plan", "Cut the source into chunks that cover every row once."),
    StageEntry("create", "Create the build's index, which is not searched yet."),
    StageEntry("load", "Hash and load every chunk on the Dask workers, round-robin over the nodes."),
    StageEntry("finalize", "Refresh and merge the index, and give it the settings that it is queried with."),
    StageEntry("verify", "Compare the contents of the index with the rows of the source, and measure its recall."),
    StageEntry("promote", "Move the alias to the build, if the settings say so."),
)
"""Working stages. `SUMMARISE` follows after success and failure."""

SUMMARISE = StageEntry(
    "summarise", "Write the report, of a failed run as well, and fail unless the run did what its form asked for."
)
