"""Names the encoder of a file's vectors, in the file's schema.

The schema is part of the file, so the name stays with the rows when they are copied.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson
import pyarrow as pa

from lsh_core.errors import ModelMismatchError, SourceError

METADATA_KEY = b"airlsh.encoder"


@dataclass(frozen=True)
class EncoderDescription:
    """Identity and settings of an encoder; see `EncoderInfo` for its attributes."""

    name: str
    fingerprint: str
    dims: int
    metric: str
    spec: Mapping[str, Any] = field(default_factory=dict)

    def in_column(self, column: str) -> EncoderInfo:
        """Return the encoder as that of the vectors in `column`."""
        return EncoderInfo(column=column, **vars(self))


@dataclass(frozen=True)
class EncoderInfo:
    """The encoder of a column of vectors.

    Attributes
    ----------
    name
        Family of the encoder, or its registered name.
    fingerprint
        SHA-256 over everything that decides its vectors.
    column
        Column with the vectors.
    spec
        Settings that make the encoder again; without secrets.
    """

    name: str
    fingerprint: str
    dims: int
    metric: str
    column: str
    spec: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return the name and fingerprint as errors and reports show them."""
        return f"{self.name} {self.fingerprint[:12]}"

    def to_metadata(self) -> dict[bytes, bytes]:
        """Return the schema metadata of a file that holds the vectors."""
        return {METADATA_KEY: orjson.dumps(asdict(self), option=orjson.OPT_SORT_KEYS)}

    @classmethod
    def of_schema(cls, schema: pa.Schema, url: str) -> EncoderInfo | None:
        """Return the encoder that a file's schema names, or None.

        Raises
        ------
        SourceError
            The metadata cannot be read.
        """
        written = (schema.metadata or {}).get(METADATA_KEY)
        if written is None:
            return None
        try:
            return cls(**orjson.loads(written))
        except (TypeError, ValueError) as error:
            raise SourceError(url, f"does not say readably which encoder made its vectors: {error}") from error


def common_encoder(found: Sequence[tuple[str, EncoderInfo | None]]) -> EncoderInfo | None:
    """Return the encoder of all files; None if no file names one.

    Raises
    ------
    ModelMismatchError
        Two files name different encoders, or only some files name one.
    """
    first_url, first = found[0]
    for url, other in found[1:]:
        if (other and other.fingerprint) != (first and first.fingerprint):
            raise ModelMismatchError(_called(first), _called(other), f"{url} beside {first_url}")
    return first


def require_encoder(found: EncoderInfo | None, known: Mapping[str, Any] | None, *, of: str, where: str) -> None:
    """Raise `ModelMismatchError` if new vectors come from another encoder than the existing ones.

    Vectors without a named encoder are accepted.

    Parameters
    ----------
    known
        Encoder of the existing vectors, as a document.
    of
        Owner of the existing vectors, for the message.
    where
        Origin of the new vectors, for the message.
    """
    if found is not None and known is not None and found.fingerprint != known["fingerprint"]:
        index = f"vectors of encoder {EncoderInfo(**known)} ({of})"
        raise ModelMismatchError(index, f"those of {_called(found)}", where)


def _called(encoder: EncoderInfo | None) -> str:
    return f"encoder {encoder}" if encoder else "no encoder that is named"
