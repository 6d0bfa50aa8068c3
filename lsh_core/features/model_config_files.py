"""Reads the sentence-transformers configuration files beside a network.

The files decide how texts are cut, pooled and scaled. A fetched preset needs them as well: without them its vectors
would differ from the published ones.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

Pooling = Literal["mean", "cls"]
_POOLINGS: dict[str, Pooling] = {"mean_tokens": "mean", "mean": "mean", "cls_token": "cls", "cls": "cls"}
_MODE = "pooling_mode"
# Vectors are always scaled to unit length, and dropout only acts in training.
_DONE_HERE = frozenset({"Transformer", "Pooling", "Normalize", "Dropout"})


def side_file(weights: str, name: str) -> Path | None:
    """Return the local path of a file beside the network, or None.

    The file is fetched if necessary.

    Raises
    ------
    Exception
        keras_hub or its hub cannot fetch the file.
    """
    if "://" not in weights:  # Presets that keras_hub knows by name have no such files.
        file = Path(weights, name)
        return file if file.is_file() else None
    from keras_hub.src.utils.preset_utils import get_file

    try:
        return Path(get_file(weights, name))
    except FileNotFoundError as error:
        if _is_unknown(weights, name, error):
            raise
        return None


def read_side_file(weights: str, name: str) -> Any:
    """Return the content of a JSON file beside the network; empty if missing."""
    file = side_file(weights, name)
    return {} if file is None else json.loads(file.read_text("utf-8"))


def pooling_of(weights: str) -> Pooling:
    """Return the pooling of the model: the mean of all tokens, or the first token.

    Raises
    ------
    ValueError
        The model names another pooling, or further layers.
    """
    modules = [(str(each["type"]).rpartition(".")[2], each["path"]) for each in read_side_file(weights, "modules.json")]
    if more := [kind for kind, _ in modules if kind not in _DONE_HERE]:
        raise ValueError(f"modules.json: its vectors go through {' and '.join(more)}, which is not done here")
    folder = next((path for kind, path in modules if kind == "Pooling"), "1_Pooling")
    said = read_side_file(weights, f"{folder}/config.json")
    modes = [name.removeprefix(f"{_MODE}_") for name, is_so in said.items() if name.startswith(_MODE) and is_so is True]
    modes += [said[_MODE]] if _MODE in said else []
    if len(modes) > 1 or not set(modes) <= set(_POOLINGS):
        done = "the mean of all tokens or the first token"
        raise ValueError(f"{folder}/config.json: texts are pooled by {' and '.join(map(str, modes))}, not by {done}")
    return _POOLINGS[modes[0]] if modes else "mean"


def _is_unknown(weights: str, name: str, error: FileNotFoundError) -> bool:
    """Return whether the server did not answer for such a file, and no earlier answer is cached."""
    from huggingface_hub import _CACHED_NO_EXIST, try_to_load_from_cache
    from huggingface_hub.errors import LocalEntryNotFoundError

    if not isinstance(error.__cause__, LocalEntryNotFoundError):
        return False
    return try_to_load_from_cache(weights.partition("://")[2], name) is not _CACHED_NO_EXIST
