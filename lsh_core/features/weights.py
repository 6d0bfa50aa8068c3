"""Finds the weights of an encoder, and explains failures."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from lsh_core.errors import DeviceMemoryError, SettingsError, WeightsError

_BLOCK = 2**20
_DECIDES = frozenset(
    {"num_layers", "num_heads", "hidden_dim", "intermediate_dim", "embedding_dim", "projection_dim", "image_shape"}
    | {"max_sequence_length", "patch_size", "intermediate_activation", "num_groups", "num_inner_repetitions"}
    | {"lowercase", "strip_accents", "split", "split_on_cjk", "add_prefix_space", "pad_with_end_token"}
)


def state_of_files(weights: str | None) -> list[list[Any]]:
    """Return name, size and time of change of each local file of `weights`."""
    if weights is None or not os.path.exists(weights):
        return []
    states = []
    for file in _files(Path(weights)):
        found = file.stat()
        states.append([str(file), found.st_size, found.st_mtime_ns])
    return states


def files_digest(path: str | Path) -> str:
    """Return the SHA-256, in hexadecimal, over names and contents of the files at `path`."""
    root, digest = Path(path), hashlib.sha256()
    for file in _files(root):
        digest.update(_canonical([file.relative_to(root).as_posix(), file.stat().st_size]))
        with file.open("rb") as opened:
            while block := opened.read(_BLOCK):
                digest.update(block)
    return digest.hexdigest()


def fingerprint_of(facts: Mapping[str, Any], variables: Iterable[Any] = ()) -> str:
    """Return the SHA-256, in hexadecimal, over the facts and weights of an encoder.

    Parameters
    ----------
    facts
        JSON values.
    variables
        The weights: variables of Keras, or arrays, in the order of the network. Their names are left out, as Keras
        numbers the layers of a process.
    """
    digest = hashlib.sha256(_canonical(facts))
    for variable in variables:
        array = np.asarray(variable)
        little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        digest.update(_canonical([little.dtype.str, list(little.shape)]))
        digest.update(little.tobytes() if little.ndim == 0 else little.data)
    return digest.hexdigest()


def deciding(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a keras_hub configuration that decides numbers or tokens.

    The rest is left out: names that Keras numbers in each process, settings of training, and settings of later
    versions. They would force a rebuild of an index.
    """
    found = {name: value for name, value in config.items() if name in _DECIDES}
    nested = {name: deciding(value) for name, value in config.items() if isinstance(value, Mapping)}
    return found | {name: value for name, value in nested.items() if value}


def require_on_this_machine(encoder: str, weights: str, choices: tuple[str, ...]) -> None:
    """Raise `WeightsError` for a path that does not exist on this machine."""
    if "://" in weights or os.path.exists(weights):
        return
    if os.sep in weights or weights.startswith((".", "~")):
        reason = "there is no such file or folder on this machine; say where it is with --weights"
        raise WeightsError(encoder, weights, reason, choices)


@contextmanager
def loading(encoder: str, weights: str, choices: tuple[str, ...]) -> Iterator[None]:
    """Turn all errors of looking up, fetching or reading weights into `WeightsError`.

    Keras, keras_hub and their hubs raise a dozen classes of errors for a missing network, each with pages of text.

    Raises
    ------
    WeightsError
        Its reason is the first line of the original error.
    """
    require_on_this_machine(encoder, weights, choices)
    try:
        yield
    except (ModuleNotFoundError, MemoryError, DeviceMemoryError, SettingsError, WeightsError):
        raise
    except Exception as error:
        # The error continues with the spellings of presets, over ten lines.
        no_preset = str(error).startswith("Unknown preset identifier")
        reason = "is no preset of keras_hub, and no folder on this machine" if no_preset else first_line(error)
        raise WeightsError(encoder, weights, reason, choices) from error


def first_line(error: BaseException) -> str:
    """Return the class and the first line of an error, at most 300 characters."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = f"{type(error).__name__}: {lines[0].rstrip('.')}" if lines else type(error).__name__
    return said if len(said) <= 300 else said[:299] + "…"


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return sorted(file for file in path.rglob("*") if file.is_file())


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, default=str).encode()
