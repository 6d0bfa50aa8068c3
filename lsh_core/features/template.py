"""Template of the encoded text of a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import Formatter

from lsh_core.errors import SettingsError


@dataclass(frozen=True)
class TextTemplate:
    """Text with columns in braces, such as ``"{id}: {description}"``; doubled braces are literal.

    Attributes
    ----------
    parts
        Pairs of a literal text and the column that follows it; None after the last.
    """

    parts: tuple[tuple[str, str | None], ...]

    @classmethod
    def parse(cls, text: str, *, setting: str = "text") -> TextTemplate:
        """Parse a template, or the name of one column: "description" means "{description}".

        Only names of columns may stand in braces. Attributes, indices and formats are refused: with `str.format` a form
        could read attributes of values.

        Raises
        ------
        SettingsError
            Braces do not match, a name is empty, a field has a conversion or a format, or no column is named.
        """
        if not text.strip():
            raise SettingsError(setting, text, "must name a column, or be a template such as {id}: {description}")
        if "{" not in text and "}" not in text:
            return cls((("", text),))
        parts: list[tuple[str, str | None]] = []
        try:
            for literal, column, spec, conversion in Formatter().parse(text):
                if spec or conversion:
                    raise SettingsError(setting, text, f"column {column!r} may have no format or conversion")
                if column is not None and not column.strip():
                    raise SettingsError(setting, text, "has braces without the name of a column")
                parts.append((literal, column))
        except ValueError as error:
            if isinstance(error, SettingsError):
                raise
            raise SettingsError(setting, text, f"is no template: {error}") from error
        template = cls(tuple(parts))
        if not template.columns:
            raise SettingsError(setting, text, "names no column: every row would get the same vector")
        return template

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the template, each once, in their order."""
        return tuple(dict.fromkeys(column for _, column in self.parts if column is not None))

    @property
    def canonical(self) -> str:
        """Canonical spelling of the template, for fingerprints."""
        doubled = [(literal.replace("{", "{{").replace("}", "}}"), column) for literal, column in self.parts]
        return "".join(literal + (f"{{{column}}}" if column is not None else "") for literal, column in doubled)

    def render(self, rows: Sequence[Mapping[str, object]]) -> list[str | None]:
        """Return the text of each row; None if all its columns are blank.

        A null among other values is left out. Other types are written as Python writes them, lists with commas.

        Raises
        ------
        SettingsError
            A column holds bytes.
        """
        return [self._of(row) for row in rows]

    def _of(self, row: Mapping[str, object]) -> str | None:
        values = {column: _text_of(column, row[column]) for column in self.columns}
        if not any(value.strip() for value in values.values()):
            return None
        return "".join(literal + (values[column] if column is not None else "") for literal, column in self.parts)


def _text_of(column: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bytes | bytearray | memoryview):
        raise SettingsError("text", column, "holds bytes, not text")
    if isinstance(value, list | tuple):
        return ", ".join(_text_of(column, each) for each in value)
    return str(value)
