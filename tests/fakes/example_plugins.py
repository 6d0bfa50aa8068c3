"""The packages of ``examples/plugins``, as if pip had installed them."""

from __future__ import annotations

import configparser
import tomllib
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2] / "examples" / "plugins"


def install(folder: Path) -> tuple[Path, Path]:
    """Write the metadata that pip would write, made from the example's ``pyproject.toml``; return both import paths."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    write_metadata(folder, project["name"], project["version"], project["entry-points"])
    return folder, PROJECT


def write_metadata(folder: Path, name: str, version: str, groups: dict[str, dict[str, str]]) -> None:
    """Write the folder ``*.dist-info`` of a package with entry points, ``{group: {name: "module:Class"}}``."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n")
    entries = configparser.ConfigParser()
    entries.read_dict(groups)
    with (info / "entry_points.txt").open("w") as file:
        entries.write(file)
