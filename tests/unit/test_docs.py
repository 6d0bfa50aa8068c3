"""The documentation names messages, pages and public names that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import lsh_core

PROJECT = Path(__file__).parents[2]
DOCS = PROJECT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
HEADINGS = re.findall(r"^### `(.+)`$", (DOCS / "troubleshooting.md").read_text(), re.MULTILINE)


def strings_of_the_code() -> str:
    """Return every string of `lsh_core`, one a line, with ``{}`` for what an f-string puts in."""
    found = []
    for file in sorted((PROJECT / "lsh_core").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
            elif isinstance(node, ast.JoinedStr):
                found.append("".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values))
    return "\n".join(found)


STRINGS = strings_of_the_code()


@pytest.mark.parametrize("message", HEADINGS)
def test_a_message_of_the_troubleshooting_page_is_one_of_the_code(message: str) -> None:
    assert message in STRINGS


def test_there_are_messages() -> None:
    assert len(HEADINGS) >= 15


@pytest.mark.parametrize("page", [PROJECT / "README.md", *PAGES], ids=lambda page: str(page.relative_to(PROJECT)))
def test_links_lead_to_files(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        assert "://" in target or (page.parent / target).exists(), target


def test_every_public_name_is_in_the_reference() -> None:
    page = (DOCS / "reference" / "python.md").read_text()
    elsewhere = re.compile(r".*(Error|Settings)|__version__")  # The tree of errors, and the page of settings.
    missing = [name for name in lsh_core.__all__ if not elsewhere.fullmatch(name) and f"lsh_core.{name}\n" not in page]
    assert not missing
