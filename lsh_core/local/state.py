"""Stores the state of a stack in one small file, replaced atomically."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Self

from lsh_core.local.process import Identity

FOLDER = ".airlsh"
FILE = "stack.json"
VERSION = 1


@dataclass(frozen=True)
class StackState:
    """Addresses and processes of one stack.

    Attributes
    ----------
    marker
        Marker in the environment of its processes; see :mod:`lsh_core.local.process`.
    ready
        False while it is starting.
    elasticsearch, dask, dask_dashboard, airflow
        Addresses; None for a missing part.
    leaders
        The first process of each part.
    node_folder
        Folder of the data of its Elasticsearch nodes; None for an external Elasticsearch.
    container
        Container of Elasticsearch, if any.
    """

    marker: str
    ready: bool = False
    elasticsearch: tuple[str, ...] = ()
    dask: str | None = None
    dask_dashboard: str | None = None
    airflow: str | None = None
    leaders: dict[str, Identity] = field(default_factory=dict)
    node_folder: str | None = None
    container: str | None = None

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read the output of :meth:`to_json`; raise ``ValueError`` for other text."""
        try:
            values = json.loads(text)
            if values.pop("version") != VERSION:
                raise ValueError("written by another version of airlsh")
            values["elasticsearch"] = tuple(values["elasticsearch"])
            values["leaders"] = {name: Identity(**leader) for name, leader in values["leaders"].items()}
            return cls(**values)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not the state of a stack: {error}") from error

    def to_json(self) -> str:
        """Return the state as JSON text."""
        return json.dumps({"version": VERSION, **asdict(self)}, indent=2) + "\n"

    def dead_parts(self) -> list[str]:
        """Return the parts whose first process has ended, by name."""
        return [name for name, leader in self.leaders.items() if leader.process() is None]

    def living(self) -> Self | None:
        """Return the stack with the addresses of its running parts only.

        None while it is starting, or after all parts have ended.

        An Elasticsearch without a process of the stack (in a container, or external) is assumed to run.
        """
        dead = self.dead_parts()
        if not self.ready or (len(dead) == len(self.leaders) and not self.container):
            return None
        parts = {name.partition("/")[0] for name in dead}
        return replace(
            self,
            elasticsearch=tuple(
                url
                for number, url in enumerate(self.elasticsearch, start=1)
                if f"elasticsearch/node-{number}" not in dead
            ),
            dask=None if "dask" in parts else self.dask,
            dask_dashboard=None if "dask" in parts else self.dask_dashboard,
            airflow=None if "airflow" in parts else self.airflow,
        )


def write_state(folder: Path, state: StackState) -> None:
    """Replace the state in `folder` atomically."""
    temporary = folder / f"{FILE}.{os.getpid()}"
    temporary.write_text(state.to_json())
    temporary.replace(folder / FILE)


def read_state(folder: Path) -> StackState | None:
    """Return the state in `folder`; None if missing or unreadable."""
    try:
        return StackState.from_json((folder / FILE).read_text())
    except (OSError, ValueError):
        return None


def remove_state(folder: Path) -> None:
    """Delete the state of the stack of `folder`."""
    (folder / FILE).unlink(missing_ok=True)


def running_stack(folder: Path | None = None) -> StackState | None:
    """Return the running stack with the addresses of its running parts, or None.

    Parameters
    ----------
    folder
        Folder of a stack; default: ``.airlsh`` in the working folder or its nearest parent that has one.
    """
    here = Path.cwd()
    folders = [folder] if folder else [parent / FOLDER for parent in (here, *here.parents)]
    for candidate in folders:
        state = read_state(candidate)
        if state is not None:
            return state.living()
    return None
