"""The encoder of a file's vectors, as the file's schema names it.

It stands in the file itself, so that it stays with the rows wherever they are copied.
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
class EncoderInfo:
    """The encoder of a column of vectors.

    Attributes
    ----------
    name
        Of the encoder: its family, or what it is registered as.
    fingerprint
        SHA-256 over all that decides its vectors.
    column
        Column with the vectors.
    spec
        What is needed to make the encoder again; no secrets.
    """

    name: str
    fingerprint: str
    dims: int
    metric: str
    column: str
    spec: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        """Name it as errors and reports do."""
        return f"{self.name} {self.fingerprint[:12]}"

    def to_metadata(self) -> dict[bytes, bytes]:
        """Return the schema metadata of a file that holds the vectors."""
        return {METADATA_KEY: orjson.dumps(asdict(self), option=orjson.OPT_SORT_KEYS)}

    @classmethod
    def of_schema(cls, schema: pa.Schema, url: str) -> EncoderInfo | None:
        """Return the encoder that a file's schema names, None where it names none.

        Raises
        ------
        SourceError
            What stands there cannot be read.
        """
        written = (schema.metadata or {}).get(METADATA_KEY)
        if written is None:
            return None
        try:
            return cls(**orjson.loads(written))
        except (TypeError, ValueError) as error:
            raise SourceError(url, f"does not say readably which encoder made its vectors: {error}") from error


def common_encoder(found: Sequence[tuple[str, EncoderInfo | None]]) -> EncoderInfo | None:
    """Return the encoder of all files, None where no file names one.

    Raises
    ------
    ModelMismatchError
        Two files were made by different encoders, or some by one that they name and others by one that nobody knows.
    """
    first_url, first = found[0]
    for url, other in found[1:]:
        if (other and other.fingerprint) != (first and first.fingerprint):
            raise ModelMismatchError(_called(first), _called(other), f"{url} beside {first_url}")
    return first


def require_encoder(found: EncoderInfo | None, known: Mapping[str, Any] | None, *, of: str, where: str) -> None:
    """Raise `ModelMismatchError` if vectors are of another encoder than those that they are to join.

    Vectors of which nobody knows the encoder may be anything: they are taken.

    Parameters
    ----------
    known
        The encoder of those that are there, as a document.
    of
        What these belong to.
    where
        Where the others come from.
    """
    if found is not None and known is not None and found.fingerprint != known["fingerprint"]:
        index = f"vectors of encoder {EncoderInfo(**known)} ({of})"
        raise ModelMismatchError(index, f"those of {_called(found)}", where)


def _called(encoder: EncoderInfo | None) -> str:
    return f"encoder {encoder}" if encoder else "no encoder that is named"
