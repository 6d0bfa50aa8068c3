"""Chooses the device, the threads and the precision of a network.

Workers share a machine. By default TensorFlow starts one thread per core in each of them, and two workers on two cores
slow each other down. The number of threads has to be set before TensorFlow is first used.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import numpy as np

from lsh_core.backends import load_tensorflow
from lsh_core.errors import EncoderError, SettingsError
from lsh_core.features.encoder import Float32Array
from lsh_core.features.specification import Device, Precision

_POLICIES: dict[Precision, str] = {"float32": "float32", "float16": "mixed_float16", "bfloat16": "mixed_bfloat16"}
_import_lock = threading.Lock()


def limit_threads(threads: int) -> None:
    """Let TensorFlow, and what makes tokens, use `threads` threads of this process.

    One operation after the other, each by `threads` threads: networks that encode have few branches, so operations side
    by side would only ask for more threads than there are cores. It costs nothing, as TensorFlow is not imported.

    Raises
    ------
    SettingsError
        Less than one, or TensorFlow already runs with another number.
    """
    if threads < 1:
        raise SettingsError("threads", threads, "must be 1 or more")
    # TensorFlow reads its two when it starts, what makes tokens the third when it first has much to do.
    told = {
        "TF_NUM_INTRAOP_THREADS": str(threads),
        "TF_NUM_INTEROP_THREADS": "1",
        "RAYON_NUM_THREADS": str(threads),
    }
    if "tensorflow" in sys.modules and any(os.environ.get(name) != number for name, number in told.items()):
        setter = tensorflow().config.threading
        try:
            setter.set_intra_op_parallelism_threads(threads)
            setter.set_inter_op_parallelism_threads(1)
        except RuntimeError as error:
            raise SettingsError("threads", threads, "TensorFlow has already started with another number") from error
    os.environ.update(told)


def tensorflow() -> Any:
    """Import TensorFlow as everybody here does, and Keras on it.

    Raises
    ------
    MissingPackageError
        TensorFlow is not installed.
    EncoderError
        Keras was told to use another backend.
    """
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    with _import_lock:
        tf = load_tensorflow("a built-in encoder")
        import keras

    if keras.backend.backend() != "tensorflow":
        raise EncoderError("keras", f"needs KERAS_BACKEND=tensorflow, not {keras.backend.backend()}")
    keras.config.disable_interactive_logging()  # Of this thread: a download would write into what we print.
    return tf


def device_for(wanted: Device) -> str:
    """Return the name by which TensorFlow knows the device that is wanted.

    Raises
    ------
    SettingsError
        A GPU is asked for and there is none.
    """
    if wanted == "cpu":
        return "/CPU:0"
    if tensorflow().config.list_physical_devices("GPU"):
        return "/GPU:0"
    if wanted == "gpu":
        raise SettingsError("device", wanted, "TensorFlow finds no GPU here; say cpu, or auto for what there is")
    return "/CPU:0"


@contextmanager
def calculating_in(precision: Precision) -> Iterator[None]:
    """Build networks that calculate in `precision` while the block runs; their weights stay float32.

    Keras keeps a policy for each thread, so others may build meanwhile.
    """
    tensorflow()
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(_POLICIES[precision])
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def run_on(device: str, network: Any, batch: np.ndarray[Any, Any]) -> Float32Array:
    """Return what a network makes of one batch on a device, (n, dims)."""
    tf = tensorflow()
    with tf.device(device):
        return cast("Float32Array", network(tf.constant(batch)).numpy())


def policy_name(precision: Precision) -> str:
    """Return what Keras calls a precision."""
    return _POLICIES[precision]
