"""Patterns of prose: docstrings that begin well, and a map of the layers that is true."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
FILES = sorted(file for folder in ("lsh_core", "plugins", "dags") for file in (PROJECT / folder).rglob("*.py"))
MAX_WORDS = 15
RELATIVE = re.compile(r"(What|How|Which|Whether|Where|When|Who|Why)\b")
"""Heads of relative clauses: rule 1."""
EVERYDAY = re.compile(r"\b(unless told|told otherwise|gone on with|goes on with|so many an?)\b")
"""Everyday words in place of the field's: rule 2."""


def first_sentence(docstring: str) -> str:
    """Return the text up to the first full stop, colon or semicolon."""
    paragraph = re.sub(r"\s+", " ", docstring.strip().split("\n\n")[0])
    return re.split(r"(?<=[.!?:;])\s", paragraph)[0]


def public_docstrings(node: ast.AST, name: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the docstring of a module, and of its public classes and functions."""
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (docstring := ast.get_docstring(node)):
        yield name, docstring
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef | ast.FunctionDef) and not child.name.startswith("_"):
            yield from public_docstrings(child, f"{name}.{child.name}")


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PROJECT)))
def test_docstrings_begin_with_a_short_main_clause(file: Path) -> None:
    for name, docstring in public_docstrings(ast.parse(file.read_text()), file.stem):
        first = first_sentence(docstring)
        assert not RELATIVE.match(first), f"{name}: {first}"
        assert not EVERYDAY.search(docstring), f"{name}: {docstring}"
        assert len(first.split()) <= MAX_WORDS, f"{name}: {first}"


def test_the_layers_of_the_contributors_page_are_the_enforced_ones() -> None:
    contracts = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    rows = re.findall(r"^\| \d+ \| (.+?) \|", (PROJECT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    assert [set(re.findall(r"`([\w.]+)`", row)) for row in rows] == [set(layer.split(" | ")) for layer in layers]
