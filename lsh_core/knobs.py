"""Knobs: settings that a model declares about itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lsh_core.errors import SettingsError


@dataclass(frozen=True)
class Knob:
    """Setting of a model.

    Command options, form fields and settings are made from it.

    Attributes
    ----------
    name
        Argument of the model's ``__init__``. Knobs of two models may share a name if they have the same type.
    help
        What the knob sets, as a phrase that ends without a full stop.
    type
        Type of its values: int, float or str.
    minimum, maximum
        Bounds of a number, both allowed; None: unbounded.
    choices
        Allowed values with their meanings; empty: any.
    default
        Default value, or rule for the default; "" if the help states it.
    """

    name: str
    help: str
    type: type[int] | type[float] | type[str] = int
    minimum: float | None = None
    maximum: float | None = None
    choices: Mapping[str, str] = field(default_factory=dict)
    default: str = ""

    @property
    def description(self) -> str:
        """Help with the default."""
        return f"{self.help}; default: {self.default}" if self.default else self.help

    def check(self, value: object) -> None:
        """Raise `SettingsError` for a value that is not allowed."""
        if self.choices:
            if value not in self.choices:
                raise SettingsError(self.name, value, f"must be one of {', '.join(self.choices)}")
            return
        numeric = isinstance(value, int if self.type is int else int | float) and not isinstance(value, bool)
        if self.type is str:
            if not isinstance(value, str):
                raise SettingsError(self.name, value, "must be a text")
        elif not isinstance(value, int | float) or not numeric or not self._within(value):
            whole = "a whole number " if self.type is int and not numeric else ""
            raise SettingsError(self.name, value, f"must be {whole}{self._bounds()}")

    def nearest(self, value: int) -> int:
        """Return the value within the bounds that is nearest to `value`."""
        low = value if self.minimum is None else max(value, int(self.minimum))
        return low if self.maximum is None else min(low, int(self.maximum))

    def _within(self, value: float) -> bool:
        low = self.minimum is None or value >= self.minimum
        return low and (self.maximum is None or value <= self.maximum)

    def _bounds(self) -> str:
        if self.minimum is not None and self.maximum is not None:
            return f"from {self.minimum} to {self.maximum}"
        if self.minimum is not None:
            return f"at least {self.minimum}"
        return f"at most {self.maximum}" if self.maximum is not None else "a number"
