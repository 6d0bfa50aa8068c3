"""Token field of the index, common to lists and tables."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from lsh_core.retrieval.contract import Retrieval
from lsh_core.retrieval.token_format import TokenFormat


def tokens_path(column: str) -> str:
    """Return the name of the field with the tokens of `column`."""
    return f"airlsh.tokens.{column}"


@dataclass(frozen=True)
class TokenRetrieval(Retrieval):
    """Base of the strategies that find rows by their tokens.

    Attributes
    ----------
    token_prefix, token_width
        Format of the tokens, see `TokenFormat`.
    """

    token_prefix: str = ""
    token_width: int = 1

    @cached_property
    def tokens(self) -> TokenFormat:
        """Format of the tokens."""
        return TokenFormat(self.token_prefix, self.token_width)

    @property
    def tokens_path(self) -> str:
        """Field with the tokens."""
        return tokens_path(self.column.name)

    def own_fields(self) -> dict[str, Any]:
        """Map the tokens as words of equal weight."""
        keyword = {"type": "keyword", "similarity": "boolean", "doc_values": False, "norms": False}
        return {"tokens": {"properties": {self.column.name: keyword}}}

    def row_parts(self, tokens: npt.NDArray[np.int64], near: npt.NDArray[np.int64] | None) -> list[bytes]:
        """Write the tokens of each row."""
        head = self.token_head
        return [b"".join((head, words, b"]}")) for words in self.tokens.json_lists(tokens)]

    @cached_property
    def token_head(self) -> bytes:
        """Text before the tokens of a row."""
        return b',"tokens":{' + orjson.dumps(self.column.name) + b":["
