"""Configuration of the documentation site: Sphinx, Markdown pages, a reference made from code."""

import sys
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "airlsh"
author = "The airlsh developers"
copyright = author
release = version = installed_version("airlsh")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_click",
    "sphinx_copybutton",
    "settings_tables",
]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_typehints = "none"  # The docstrings give types and shapes.
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_rtype = False

copybutton_prompt_text = "$ "

html_theme = "furo"
html_title = "airlsh"
html_show_sphinx = False
html_copy_source = False


def escape_asterisks(app: Any, context: Any, lines: list[str]) -> None:
    """Keep the asterisks of globs in help texts: they are not emphasis."""
    lines[:] = [line.replace("*.", r"\*.") for line in lines]


def setup(app: Any) -> None:
    """Register what the pages made from commands need."""
    app.connect("sphinx-click-process-options", escape_asterisks)
