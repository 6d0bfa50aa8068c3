"""Encoders without a network, for tests of what is around them: ``--encoder tests.fakes.encoders:letters``."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lsh_core.errors import NotFoundError
from lsh_core.features.specification import EncoderSpec

DIMS = 12
SEEN: set[str] = set()


@dataclass
class TinyEncoder:
    """Vectors that anyone can check by hand.

    A text's is how often each of `DIMS` classes of its bytes occurs, an image's the mean of `DIMS` stripes of it.
    """

    name: str
    spec: EncoderSpec
    modalities: frozenset[str]
    pause_seconds: float = 0.0
    dims: int = DIMS
    metric: str = "cosine"
    image_size: tuple[int, int] | None = (8, DIMS)

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(f"{self.name} {self.spec.weights} {self.spec.template}".encode()).hexdigest()

    def encode(self, batch: Any) -> npt.NDArray[np.float32]:
        time.sleep(self.pause_seconds)
        if isinstance(batch, np.ndarray):
            return batch.astype(np.float32).mean(axis=(1, 3))
        return np.stack([self._of_text(text) for text in batch])

    def _of_text(self, text: str) -> npt.NDArray[np.float32]:
        if "choke" in text:
            raise ValueError("a fish bone")
        if "infinite" in text:
            return np.full(self.dims, np.inf, np.float32)
        codes = np.frombuffer(text.encode(), np.uint8) % self.dims
        return np.bincount(codes, minlength=self.dims).astype(np.float32)


def letters(spec: EncoderSpec) -> TinyEncoder:
    """Texts. A weights file must be there, if one is given; its content does not matter."""
    if spec.weights is not None and not os.path.exists(spec.weights):
        raise NotFoundError("weights", spec.weights)
    return TinyEncoder("letters", spec, frozenset({"text"}))


def slow_letters(spec: EncoderSpec) -> TinyEncoder:
    """As `letters`, but every batch takes a while."""
    return TinyEncoder("letters", spec, frozenset({"text"}), pause_seconds=0.15)


def stripes(spec: EncoderSpec) -> TinyEncoder:
    """Images."""
    return TinyEncoder("stripes", spec, frozenset({"image"}))


def where_am_i(spec: EncoderSpec) -> TinyEncoder:
    """Texts; `SEEN` has the names of the Dask workers that encoded any, if they are in this process."""

    class Noting(TinyEncoder):
        def encode(self, batch: Sequence[str]) -> npt.NDArray[np.float32]:
            from distributed import get_worker

            SEEN.add(str(get_worker().name))
            return super().encode(batch)

    return Noting("letters", spec, frozenset({"text"}))


def broken(spec: EncoderSpec) -> TinyEncoder:
    """Fails for every row."""

    class Broken(TinyEncoder):
        def encode(self, batch: Sequence[str]) -> npt.NDArray[np.float32]:
            raise RuntimeError("out of order")

    return Broken("broken", spec, frozenset({"text"}))


def ending(spec: EncoderSpec) -> TinyEncoder:
    """Ends the process that it is in."""

    class Ending(TinyEncoder):
        def encode(self, batch: Sequence[str]) -> npt.NDArray[np.float32]:
            raise SystemExit(4)

    return Ending("ending", spec, frozenset({"text"}))
