"""Converts texts to token numbers for a network."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lsh_core.features.batches import Batches
from lsh_core.features.encoder import Float32Array
from lsh_core.features.weights import deciding, files_digest

TokenIds = npt.NDArray[np.int32]


class Tokens:
    """Tokenizer of keras_hub, with the marks around each text.

    Parameters
    ----------
    tokenizer
        Tokenizer of keras_hub.
    max_tokens
        Maximum of tokens of a text, marks included; the rest is left out.
    lowercase
        Whether texts are lower-cased first, if the tokenizer does not.
    """

    def __init__(self, tokenizer: Any, max_tokens: int, *, lowercase: bool = False) -> None:
        self._tokenizer, self._lowercase = tokenizer, lowercase
        self.max_tokens = max_tokens
        self.padding = int(tokenizer.pad_token_id)
        self._first, self._last = int(tokenizer.start_token_id), int(tokenizer.end_token_id)

    def of(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the tokens of each text, marks included."""
        if not texts:
            return []
        given = [text.lower() for text in texts] if self._lowercase else list(texts)
        inside = self.max_tokens - 2
        return [[self._first, *_as_list(found)[:inside], self._last] for found in self._tokenizer(given)]

    def padded(self, rows: Sequence[list[int]], width: int | None = None) -> TokenIds:
        """Return rows padded to `width`, or to the longest row.

        Returns
        -------
        (n, width) int32
        """
        width = width or max(len(row) for row in rows)
        table = np.full((len(rows), width), self.padding, dtype=np.int32)
        for place, row in enumerate(rows):
            table[place, : len(row)] = row
        return table

    def facts(self) -> dict[str, Any]:
        """Return the facts that decide tokens, with a digest of the vocabulary."""
        with tempfile.TemporaryDirectory(prefix="airlsh-tokens-") as folder:
            self._tokenizer.save_assets(folder)
            assets = files_digest(folder)
        return {
            "tokenizer": type(self._tokenizer).__name__,
            "config": deciding(self._tokenizer.get_config()),
            "assets": assets,
            "most": self.max_tokens,  # A new key would change the fingerprint of every text encoder.
            "lowercase": self._lowercase,
        }


def longest_first(rows: Sequence[list[int]]) -> npt.NDArray[np.intp]:
    """Return an order by falling length.

    Batches in this order need little padding. The longest come first, so that a lack of memory shows at once.
    """
    lengths = np.fromiter((len(row) for row in rows), dtype=np.int64, count=len(rows))
    return np.argsort(-lengths, kind="stable")


def run_by_length(
    tokens: Tokens, texts: Sequence[str], batches: Batches, dims: int, forward: Callable[[TokenIds], Float32Array]
) -> Float32Array:
    """Encode texts in batches of similar length; return vectors (n, dims) in input order."""
    rows = tokens.of(texts)
    order = longest_first(rows)
    found = np.empty((len(rows), dims), dtype=np.float32)
    found[order] = batches.run(
        len(rows), dims, lambda part: forward(tokens.padded([rows[place] for place in order[part]]))
    )
    return found


def _as_list(found: Any) -> list[int]:
    return found if isinstance(found, list) else [int(token) for token in np.asarray(found)]
