"""The text of a row."""

from __future__ import annotations

import pytest

from lsh_core.errors import SettingsError
from lsh_core.features.template import TextTemplate


def test_a_template_is_filled_from_columns() -> None:
    template = TextTemplate.parse("{id}: {description}")
    assert template.columns == ("id", "description")
    assert template.render([{"id": 7, "description": "a b"}, {"id": "x", "description": ""}]) == ["7: a b", "x: "]


def test_the_name_of_a_column_is_a_template_of_it_alone() -> None:
    assert TextTemplate.parse("a b").canonical == TextTemplate.parse("{a b}").canonical == "{a b}"
    assert TextTemplate.parse("a b").render([{"a b": "text"}]) == ["text"]


def test_columns_with_dots_and_brackets_are_names_not_paths() -> None:
    template = TextTemplate.parse("{a.__class__} {b[0]}")
    assert template.columns == ("a.__class__", "b[0]")
    assert template.render([{"a.__class__": "x", "b[0]": "y"}]) == ["x y"]


def test_doubled_braces_are_braces() -> None:
    template = TextTemplate.parse("{{{a}}}")
    assert template.render([{"a": "1"}]) == ["{1}"]
    assert TextTemplate.parse(template.canonical) == template


def test_a_null_is_left_out_and_a_row_of_nothing_has_no_text() -> None:
    template = TextTemplate.parse("{a}, {b}")
    rows = [{"a": None, "b": "x"}, {"a": None, "b": None}, {"a": " ", "b": "\n"}]
    assert template.render(rows) == [", x", None, None]


def test_lists_are_written_with_commas() -> None:
    assert TextTemplate.parse("tags").render([{"tags": ["a", None, 3]}, {"tags": []}]) == ["a, , 3", None]


def test_bytes_are_no_text() -> None:
    with pytest.raises(SettingsError, match="'picture': holds bytes"):
        TextTemplate.parse("picture").render([{"picture": b"\x89PNG"}])


@pytest.mark.parametrize("text", ["", "  ", "{", "a}", "{}", "{ }", "{a!r}", "{a:>5}", "{{a}}"])
def test_what_is_no_template_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=r"^text="):
        TextTemplate.parse(text)
