"""A worker's networks take the threads that it was given."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from lsh_core import backends
from lsh_core.errors import MissingPackageError, SettingsError
from lsh_core.features.devices import calculating_in, device_for, limit_threads, tensorflow
from lsh_core.tensorflow_log import suppress_startup_log

COUNTED = """
import os, sys
from lsh_core.features.devices import limit_threads, tensorflow
def threads(): return len(os.listdir("/proc/self/task"))
limit_threads(12)
assert "tensorflow" not in sys.modules
limit_threads(9)
tf = tensorflow()
before = threads()
numbers = tf.random.normal((500, 500))
assert float(tf.reduce_sum(numbers @ numbers)) != 0
assert 9 <= threads() - before < 12 + 3, (before, threads())
limit_threads(9)
print("done")
"""


def test_tensorflow_starts_with_the_threads_that_it_is_given() -> None:
    ran = subprocess.run([sys.executable, "-c", COUNTED], capture_output=True, text=True, timeout=120, check=False)
    assert ran.stdout == "done\n", ran.stderr[-2000:]
    assert ran.stderr == ""


def test_only_the_messages_of_the_start_are_held_back(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ZeroDivisionError), suppress_startup_log():
        _start_badly()
    assert capfd.readouterr().err == "from Python\nE0000 00:00:1795 77 other.cc:1] what nobody expects\n"
    os.write(2, b"later\n")
    assert capfd.readouterr().err == "later\n"


def test_two_threads_do_not_take_the_standard_error_from_one_another(capfd: pytest.CaptureFixture[str]) -> None:
    second_is_in, first_is_out = threading.Event(), threading.Event()

    def second() -> None:
        with suppress_startup_log():
            second_is_in.set()
            first_is_out.wait(10)

    thread = threading.Thread(target=second)
    with suppress_startup_log():
        thread.start()
        assert not second_is_in.wait(0.2)
        with suppress_startup_log():
            os.write(2, b"of the first\n")
    first_is_out.set()
    thread.join()
    os.write(2, b"later\n")
    assert capfd.readouterr().err == "of the first\nlater\n"


def test_tensorflow_is_started_as_everywhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "tensorflow_installed", lambda: False)
    with pytest.raises(MissingPackageError, match=r"a built-in encoder needs the package tensorflow.*airlsh\[features"):
        tensorflow()


def _start_badly() -> None:
    os.write(2, b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n")
    print("from Python", file=sys.stderr)
    sys.stderr.flush()
    os.write(2, b"I0000 00:00:1795 77 port.cc:153] oneDNN custom operations are on.\n")
    os.write(2, b"E0000 00:00:1795 77 other.cc:1] what nobody expects\n")
    raise ZeroDivisionError


def test_threads_cannot_be_changed_once_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS", raising=False)
    tensorflow().zeros(1)
    with pytest.raises(SettingsError, match="threads=77: TensorFlow has already started"):
        limit_threads(77)
    with pytest.raises(SettingsError, match="must be 1 or more"):
        limit_threads(0)


def test_the_processor_is_always_there() -> None:
    assert device_for("cpu") == "/CPU:0"
    assert device_for("auto") in ("/CPU:0", "/GPU:0")


def test_a_precision_ends_with_its_block() -> None:
    tensorflow()
    import keras

    before = keras.config.dtype_policy().name
    with calculating_in("bfloat16"):
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    assert keras.config.dtype_policy().name == before
