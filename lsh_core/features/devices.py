"""Chooses the device, the threads and the precision of a network.

Workers share a machine. By default TensorFlow starts one thread per core in each worker, and two workers on two cores
slow each other down. The number of threads must be set before TensorFlow is first used.
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
    """Limit TensorFlow and hashing to `threads` threads in this process.

    Operations run one after the other, each with `threads` threads: encoder networks have few branches, so parallel
    operations would only use more threads than cores. TensorFlow is not imported here.

    Raises
    ------
    SettingsError
        `threads` is below one, or TensorFlow already runs with another number.
    """
    if threads < 1:
        raise SettingsError("threads", threads, "must be 1 or more")
    # TensorFlow reads its two variables at its start; hashing reads the third at its first large block.
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
    """Import TensorFlow, and Keras with its TensorFlow backend.

    Raises
    ------
    MissingPackageError
        TensorFlow is not installed.
    EncoderError
        Keras is configured with another backend.
    """
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    with _import_lock:
        tf = load_tensorflow("a built-in encoder")
        import keras

    if keras.backend.backend() != "tensorflow":
        raise EncoderError("keras", f"needs KERAS_BACKEND=tensorflow, not {keras.backend.backend()}")
    keras.config.disable_interactive_logging()  # Per thread: a download would write into our output.
    return tf


def device_for(wanted: Device) -> str:
    """Return TensorFlow's name of the wanted device.

    Raises
    ------
    SettingsError
        A GPU is requested, but this machine has none.
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
    """Set the precision of networks that are built in the block; weights stay float32.

    Keras keeps a policy per thread, so other threads may build networks meanwhile.
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
    """Return the output of a network for one batch on a device, (n, dims)."""
    tf = tensorflow()
    with tf.device(device):
        return cast("Float32Array", network(tf.constant(batch)).numpy())


def policy_name(precision: Precision) -> str:
    """Return Keras' name of a precision."""
    return _POLICIES[precision]
