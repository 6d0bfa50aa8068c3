"""Loads custom encoders, and checks their declared attributes and output.

An error of its code becomes an error that names the encoder, the action, and the line of its file. `SystemExit` is
translated as well: it would end a Dask worker, and retries would kill the other workers and blame their memory.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import EntryPoint
from numbers import Integral
from pathlib import Path
from typing import Any, cast

from lsh_core.errors import AirlshError, EncoderError
from lsh_core.features.encoder import Batch, Encoder, Float32Array
from lsh_core.features.specification import EncoderSpec
from lsh_core.features.weights import first_line
from lsh_core.metrics import metric_names

Factory = Callable[[EncoderSpec], Encoder]
IMPORTABLE = "its module must be importable on the Dask workers: installed there, or in a folder of their PYTHONPATH"
_PLACE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")
_FACTS = ("name", "fingerprint", "dims", "metric", "modalities", "image_size", "encode")
_MODALITIES = ("text", "image")
_OURS = Path(__file__).parent


class CustomEncoder:
    """A custom encoder with checked attributes. See :class:`lsh_core.features.encoder.Encoder`.

    Further attributes, such as `batch_size`, are passed through.
    """

    def __init__(self, asked: str, made: Any) -> None:
        self._asked, self._made = asked, made
        self.name = str(made.name)
        self.fingerprint = str(made.fingerprint)
        self.dims = int(made.dims)
        self.metric = str(made.metric)
        self.modalities = frozenset(made.modalities)
        size = made.image_size
        self.image_size: tuple[int, int] | None = None if size is None else (int(size[0]), int(size[1]))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._made, name)

    def encode(self, batch: Batch) -> Float32Array:
        """Encode by the custom encoder; an error that one row may cause is raised unchanged.

        Raises
        ------
        EncoderError
            The encoder runs out of memory, or ends the process.
        """
        try:
            return cast("Float32Array", self._made.encode(batch))
        except (MemoryError, SystemExit) as error:
            raise _told(self._asked, "failed", error) from error


def factory_of(name: str) -> Factory:
    """Return the factory of ``module:factory``; :class:`EncoderError` if it does not exist."""
    if not _PLACE.fullmatch(name):
        reason = "cannot be imported: it must be module:factory as Python spells them, such as our_package.ours:make"
        raise EncoderError(name, reason)
    module, _, factory = name.partition(":")
    with _blamed(name, "cannot be imported"):
        try:
            found = getattr(import_module(module), factory)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{module}.".startswith(f"{error.name}."):
                raise
            raise EncoderError(name, f"cannot be imported: {first_line(error)}; {IMPORTABLE}") from error
    return _callable(name, found)


def registered(entry: EntryPoint) -> Factory:
    """Return the factory of an entry point; :class:`EncoderError` if it cannot be loaded."""
    with _blamed(entry.name, f"its entry point {entry.value} cannot be loaded"):
        found = entry.load()
    return _callable(entry.name, found)


def made_by(factory: Factory, spec: EncoderSpec) -> CustomEncoder:
    """Make an encoder by its factory, and check its attributes.

    Raises
    ------
    EncoderError
        The factory failed, or its result is not an encoder.
    """
    with _blamed(spec.encoder, "its factory failed"):
        made = factory(spec)
    with _blamed(spec.encoder, "it does not say what it is"):
        _check(spec.encoder, made)
        return CustomEncoder(spec.encoder, made)


def _check(asked: str, made: Any) -> None:
    kind = type(made).__name__
    if made is None:
        raise EncoderError(asked, "its factory returned None, and no encoder")
    if missing := [fact for fact in _FACTS if not hasattr(made, fact)]:
        raise EncoderError(asked, f"its factory returned a {kind}, which has no {', no '.join(missing)}")
    metrics = metric_names()
    image = _are_modalities(made.modalities) and "image" in made.modalities
    size = "a height and a width from 1 on" if image else "None, or a height and a width from 1 on"
    ways = {
        "name": (isinstance(made.name, str) and made.name.strip() != "", "a name"),
        "fingerprint": (_is_digest(made.fingerprint), "64 hexadecimal digits: SHA-256 over what decides its numbers"),
        "dims": (_is_positive(made.dims), "a whole number from 1 on"),
        "metric": (made.metric in metrics, f"one of {', '.join(metrics)}"),
        "modalities": (_are_modalities(made.modalities), "a set with text, image or both"),
        "image_size": (_is_size(made.image_size) or (made.image_size is None and not image), size),
        "encode": (callable(made.encode), "a method"),
        "batch_size": (_is_positive(getattr(made, "batch_size", 1)), "a whole number from 1 on, where it has one"),
        "image_fit": (getattr(made, "image_fit", "squash") in ("squash", "crop"), "squash or crop, where it has one"),
    }
    for fact, (right, wanted) in ways.items():
        if not right:
            raise EncoderError(asked, f"its {fact} is {repr(getattr(made, fact))[:100]}, and must be {wanted}")


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-fA-F]{64}", value) is not None


def _is_positive(value: Any) -> bool:
    return isinstance(value, Integral) and value is not True and int(value) >= 1


def _are_modalities(value: Any) -> bool:
    return isinstance(value, set | frozenset | tuple | list) and 0 < len(value) == sum(map(_MODALITIES.count, value))


def _is_size(value: Any) -> bool:
    return isinstance(value, tuple | list) and len(value) == 2 and all(map(_is_positive, value))


def _callable(name: str, found: Any) -> Factory:
    if not callable(found):
        raise EncoderError(name, f"is a {type(found).__name__}, and no factory that could be called")
    return cast("Factory", found)


@contextmanager
def _blamed(encoder: str, what: str) -> Iterator[None]:
    """Turn errors of custom code into `EncoderError`, except errors that airlsh knows."""
    try:
        yield
    except AirlshError:
        raise
    except (Exception, SystemExit) as error:
        raise _told(encoder, what, error) from error


def _told(encoder: str, what: str, error: BaseException) -> EncoderError:
    if isinstance(error, SystemExit):
        said = f"it ended the process, sys.exit({error.code!r})"
    elif isinstance(error, SyntaxError):
        said = f"{type(error).__name__}: {error.msg}"
    else:
        said = first_line(error)
    place = _place(error)
    return EncoderError(encoder, f"{what}: {said}{f' ({place})' if place else ''}")


def _place(error: BaseException) -> str:
    """Return the file and line that raised the error, if outside this package."""
    if isinstance(error, SyntaxError):
        return f"{error.filename} line {error.lineno}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<")]
    if not frames or Path(frames[-1].filename).parent == _OURS:
        return ""
    return f"{frames[-1].filename} line {frames[-1].lineno}"
