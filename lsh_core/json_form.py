"""Base class of dataclasses with a JSON form.

These dataclasses are stored, printed and passed between tasks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from typing import Any, Self


@dataclass(frozen=True, kw_only=True)
class JsonForm:
    """Record whose fields are the keys of its JSON form."""

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        return {each.name: plain(getattr(self, each.name)) for each in fields(self)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Read the fields in `document`.

        Missing fields take their defaults, and unknown keys are ignored.

        Raises
        ------
        TypeError
            A field without a default is missing.
        """
        return cls(**{each.name: document[each.name] for each in fields(cls) if each.name in document})


def plain(value: Any) -> Any:
    """Return `value` as plain JSON: mappings, lists, texts, numbers.

    A value with ``to_json`` converts itself.
    """
    if hasattr(value, "to_json"):
        return value.to_json()
    if is_dataclass(value):
        return {each.name: plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value
