"""NumPy or TensorFlow: which of them computes, and how TensorFlow is loaded where it does.

TensorFlow takes seconds to import and a GPU's memory once it is there, so nothing here imports it before it is known
that it will be used: a GPU is looked for by the files that its driver makes.
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

_GPU_FILES = ("/dev/nvidia[0-9]*", "/proc/driver/nvidia/gpus/*", "/dev/dxg")  # The last is Windows' for Linux in it.

_lock = threading.Lock()
_exact = 0
_rounds = False


def choose_backend(wanted: str, *, setting: str = "backend") -> Backend:
    """Return `wanted`, or for ``"auto"`` what computes best here: TensorFlow where it is installed and has a GPU.

    Raises
    ------
    SettingsError
        There is no such backend.
    MissingPackageError
        TensorFlow is wanted, and is not installed.
    """
    if wanted == "auto":
        return "tensorflow" if gpu_seen() and tensorflow_installed() and _tensorflow_has_gpu() else "numpy"
    require_backend(wanted, f"{setting}={wanted}")
    for backend in BACKENDS:
        if backend == wanted:
            return backend
    raise SettingsError(setting, wanted, f"must be one of {', '.join(BACKENDS)}, auto")


def require_backend(backend: str, needed_for: str) -> None:
    """Raise `MissingPackageError`, beginning with `needed_for`, unless `backend` is installed; nothing is imported."""
    if backend == "tensorflow" and not tensorflow_installed():
        raise MissingPackageError("tensorflow", needed_for, INSTALL)


def gpu_seen() -> bool:
    """Return whether a GPU's driver is installed and visible to this process."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and visible.strip() in ("", "-1"):
        return False
    return any(glob.glob(pattern) for pattern in _GPU_FILES)


def tensorflow_installed() -> bool:
    """Return whether TensorFlow can be imported; it is not."""
    return importlib.util.find_spec("tensorflow") is not None


def load_tensorflow(needed_for: str) -> Any:
    """Import TensorFlow, and let it take a GPU's memory as it needs it: other workers may share the GPU.

    Raises
    ------
    MissingPackageError
        It is not installed; `needed_for` begins the message.
    """
    require_backend("tensorflow", needed_for)
    # Once it is there, importing costs nothing, and nothing is written; looking for a GPU also writes, the first time.
    with nullcontext() if "tensorflow" in sys.modules else suppress_startup_log():
        import tensorflow

        gpus = tensorflow.config.list_physical_devices("GPU")
    for gpu in gpus:
        with suppress(RuntimeError, ValueError):  # Somebody in this process has begun to use it, and has decided this.
            tensorflow.config.experimental.set_memory_growth(gpu, True)
    return tensorflow


def _tensorflow_has_gpu() -> bool:
    return bool(load_tensorflow("backend=auto").config.list_physical_devices("GPU"))


@contextmanager
def whole_float32(tensorflow: Any) -> Iterator[None]:
    """Let no matrix product round its input to TensorFloat-32 while the block runs.

    NVIDIA's GPUs since Ampere do so by default: they keep 10 bits of a number's 23, so that products of unit
    vectors are off by 1e-3 instead of 1e-7. The switch is the process's: the first thread that enters turns it, the
    last that leaves turns it back. Others compute more exactly meanwhile, and more slowly. What is computed has to be
    fetched within the block.
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
