"""Selects NumPy or TensorFlow for computation, and loads TensorFlow.

TensorFlow takes seconds to import, and then takes the memory of a GPU. So this module imports TensorFlow only when it
will be used: a GPU is detected by the files of its driver.
"""

from __future__ import annotations

import glob
import importlib.util
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import Any, Final, Literal

from lsh_core.errors import MissingPackageError, SettingsError
from lsh_core.tensorflow_log import suppress_startup_log

Backend = Literal["numpy", "tensorflow"]

BACKENDS: Final[tuple[Backend, ...]] = ("numpy", "tensorflow")
INSTALL: Final = "pip install 'airlsh[features]', or 'airlsh[gpu]' where there is an NVIDIA GPU"

# The last path is that of Linux inside Windows.
_GPU_FILES = ("/dev/nvidia[0-9]*", "/proc/driver/nvidia/gpus/*", "/dev/dxg")

_lock = threading.Lock()
_exact = 0
_rounds = False


def choose_backend(wanted: str, *, setting: str = "backend") -> Backend:
    """Return `wanted`, or for ``"auto"`` the faster backend.

    ``"auto"`` selects TensorFlow if it is installed and has a GPU, otherwise NumPy.

    Raises
    ------
    SettingsError
        The backend is unknown.
    MissingPackageError
        TensorFlow is selected but not installed.
    """
    if wanted == "auto":
        return "tensorflow" if gpu_seen() and tensorflow_installed() and _tensorflow_has_gpu() else "numpy"
    require_backend(wanted, f"{setting}={wanted}")
    for backend in BACKENDS:
        if backend == wanted:
            return backend
    raise SettingsError(setting, wanted, f"must be one of {', '.join(BACKENDS)}, auto")


def require_backend(backend: str, needed_for: str) -> None:
    """Raise `MissingPackageError` unless `backend` is installed; nothing is imported.

    The message begins with `needed_for`.
    """
    if backend == "tensorflow" and not tensorflow_installed():
        raise MissingPackageError("tensorflow", needed_for, INSTALL)


def gpu_seen() -> bool:
    """Return whether the driver of a GPU is installed and visible to this process."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and visible.strip() in ("", "-1"):
        return False
    return any(glob.glob(pattern) for pattern in _GPU_FILES)


def tensorflow_installed() -> bool:
    """Return whether TensorFlow can be imported, without importing it."""
    return importlib.util.find_spec("tensorflow") is not None


def load_tensorflow(needed_for: str) -> Any:
    """Import TensorFlow, with GPU memory allocated on demand.

    Other workers may share the GPU.

    Raises
    ------
    MissingPackageError
        TensorFlow is not installed. The message begins with `needed_for`.
    """
    require_backend("tensorflow", needed_for)
    # A repeated import costs nothing and writes nothing. The first search for a GPU writes messages too.
    with nullcontext() if "tensorflow" in sys.modules else suppress_startup_log():
        import tensorflow

        gpus = tensorflow.config.list_physical_devices("GPU")
    for gpu in gpus:
        # Raised if this process has already used TensorFlow, which fixed the setting.
        with suppress(RuntimeError, ValueError):
            tensorflow.config.experimental.set_memory_growth(gpu, True)
    return tensorflow


def _tensorflow_has_gpu() -> bool:
    return bool(load_tensorflow("backend=auto").config.list_physical_devices("GPU"))


@contextmanager
def whole_float32(tensorflow: Any) -> Iterator[None]:
    """Keep matrix products from rounding their input to TensorFloat-32 during the block.

    NVIDIA GPUs since Ampere do so by default: they keep 10 of the 23 bits of a number, so products of unit vectors are
    off by 1e-3 instead of 1e-7.

    The switch belongs to the process: the first thread that enters sets it, and the last thread that leaves restores
    it. Other threads compute more exactly and more slowly meanwhile. Results must be fetched within the block.
    """
    global _exact, _rounds
    switch = tensorflow.config.experimental
    with _lock:
        if _exact == 0:
            _rounds = switch.tensor_float_32_execution_enabled()
            switch.enable_tensor_float_32_execution(False)
        _exact += 1
    try:
        yield
    finally:
        with _lock:
            _exact -= 1
            if _exact == 0:
                switch.enable_tensor_float_32_execution(_rounds)
