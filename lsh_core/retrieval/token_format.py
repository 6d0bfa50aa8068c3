"""Formats the codes of a model as words of an index.

A token is four characters of the model's fingerprint and the code in decimal, padded to one width: ``"Zk3x00421"``.
Tokens of a foreign model therefore match nothing. The fixed width lets numpy write all tokens of a block at once.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

PREFIX_LENGTH = 4


@dataclass(frozen=True)
class TokenFormat:
    """Prefix and width of a model's tokens; part of a build's ``_meta``."""

    prefix: str
    width: int

    @classmethod
    def of(cls, fingerprint: str, token_count: int) -> TokenFormat:
        """Return the format for a model with codes from 0 to ``token_count - 1``."""
        text = base64.urlsafe_b64encode(bytes.fromhex(fingerprint)).decode("ascii")
        return cls(text[:PREFIX_LENGTH], len(str(max(token_count - 1, 0))))

    def parameters(self) -> dict[str, Any]:
        """Return prefix and width as parameters of a retrieval strategy."""
        return {"token_prefix": self.prefix, "token_width": self.width}

    def words(self, codes: npt.NDArray[np.int64]) -> list[str]:
        """Return the tokens of `codes` (any shape) as one flat list."""
        form = f"{self.prefix}%0{self.width}d"
        return [form % code for code in codes.ravel().tolist()]

    def json_lists(self, codes: npt.NDArray[np.int64]) -> list[bytes]:
        """Return each row of `codes`, (n, t) int64, as JSON list items: ``b'"Zk3x1","Zk3x2"'``."""
        rows, per_row = codes.shape
        if not rows or not per_row:
            return [b""] * rows
        head = np.frombuffer(f'"{self.prefix}'.encode("ascii"), dtype=np.uint8)
        cell = len(head) + self.width + 2
        text = np.empty((rows, per_row, cell), dtype=np.uint8)
        text[:, :, : len(head)] = head
        rest = codes.copy()
        for position in range(len(head) + self.width - 1, len(head) - 1, -1):
            rest, digit = np.divmod(rest, 10)
            text[:, :, position] = digit + ord("0")
        text[:, :, -2:] = np.frombuffer(b'",', dtype=np.uint8)
        flat, length = text.tobytes(), per_row * cell
        return [flat[start : start + length - 1] for start in range(0, rows * length, length)]
