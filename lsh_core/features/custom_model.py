"""Loads a custom model: a `.keras` or `.h5` file, or a SavedModel folder.

A Keras file carries no code: safe mode refuses Lambda layers and everything else that would be unpickled or executed,
and user-defined classes are not available.

A SavedModel is a program of TensorFlow operations. The check refuses a few well-known operations that read files or
call Python, so that users learn early about models that will not work on other machines. The check is not a security
barrier, as TensorFlow and its plugins have thousands of operations. Untrusted callers may not name a SavedModel at all:
:func:`lsh_core.features.registry.make_encoder` refuses it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lsh_core.features.constant_weights import frozen
from lsh_core.features.devices import policy_name, tensorflow
from lsh_core.features.specification import NO_PATHS, Precision

KERAS_FILES = (".keras", ".h5", ".hdf5")
_SAVED_MODEL = "saved_model.pb"
_REACHING_OUT = frozenset(
    {"EagerPyFunc", "MatchingFiles", "PrintV2", "PyFunc", "PyFuncStateless", "ReadFile", "WriteFile"}
)


@dataclass(frozen=True)
class CustomModel:
    """A loaded network.

    Attributes
    ----------
    call
        From (n, height, width, channels) float32 to one tensor (n, ...).
    height, width
        None if the model takes any size.
    """

    call: Callable[[Any], Any]
    height: int | None
    width: int | None
    channels: int


def is_custom_model(path: str) -> bool:
    """Return whether `path` is, or is spelled like, a custom model."""
    return path.lower().endswith(KERAS_FILES) or Path(path).is_dir()


def is_saved_model(path: str) -> bool:
    """Return whether `path` is the folder of a SavedModel."""
    return path not in NO_PATHS and Path(path, _SAVED_MODEL).exists()


def load_custom_model(path: str, precision: Precision) -> CustomModel:
    """Load a model.

    Raises
    ------
    OSError, ValueError, TypeError
        The file is not a model, or needs code; or the model has other inputs than one image, or several outputs.
    """
    file = Path(path)
    if not file.exists():
        raise FileNotFoundError("there is no such file or folder")
    if file.is_dir():
        return _saved_model(file, precision)
    return _keras_model(file, precision)


def _keras_model(file: Path, precision: Precision) -> CustomModel:
    import keras

    model = keras.saving.load_model(file, compile=False, safe_mode=True)
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ValueError(f"has {len(model.inputs)} inputs and {len(model.outputs)} outputs, not one of each")
    if precision != "float32":
        for layer in model._flatten_layers():
            layer.dtype_policy = policy_name(precision)
    height, width, channels = _image_shape(model.inputs[0].shape)
    network = frozen(model)
    return CustomModel(lambda pixels: _only(network(pixels)), height, width, channels)


def _saved_model(folder: Path, precision: Precision) -> CustomModel:
    if precision != "float32":
        raise ValueError(f"a SavedModel calculates as it was saved, not in {precision}")
    if not (folder / _SAVED_MODEL).is_file():
        raise FileNotFoundError(f"the folder holds no {_SAVED_MODEL}")
    _check_operations(folder / _SAVED_MODEL)
    tf = tensorflow()
    loaded = tf.saved_model.load(str(folder))
    signature = loaded.signatures.get("serving_default")
    if signature is None:
        raise ValueError(f"has no signature 'serving_default', but {', '.join(loaded.signatures) or 'none'}")
    inputs = signature.structured_input_signature[1]
    if len(inputs) != 1 or len(signature.structured_outputs) != 1:
        raise ValueError(f"has {len(inputs)} inputs and {len(signature.structured_outputs)} outputs, not one of each")
    ((name, wanted),) = inputs.items()
    height, width, channels = _image_shape(wanted.shape)

    def call(pixels: Any, keep: Any = loaded) -> Any:  # The variables live as long as the loaded object.
        return _only(signature(**{name: tf.cast(pixels, wanted.dtype)}))

    return CustomModel(call, height, width, channels)


def _check_operations(file: Path) -> None:
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    for graph in (each.graph_def for each in saved.meta_graphs):
        nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
        if refused := sorted({node.op for node in nodes} & _REACHING_OUT):
            raise ValueError(f"has operations that reach out of the network: {', '.join(refused)}")


def _image_shape(shape: Any) -> tuple[int | None, int | None, int]:
    sizes = list(shape)
    if len(sizes) != 4 or sizes[3] not in (1, 3) or sizes[0] not in (None, -1):
        raise ValueError(f"takes {tuple(sizes)}, not any number of images (height, width, 1 or 3 channels)")
    return sizes[1], sizes[2], sizes[3]


def _only(answer: Any) -> Any:
    return next(iter(answer.values())) if isinstance(answer, dict) else answer
