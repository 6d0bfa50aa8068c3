"""A look at what answers at the address of a Dask scheduler."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lsh_core.errors import SettingsError, UnavailableError
from lsh_core.jobs.dask import scheduler_probe
from lsh_core.jobs.dask.workers import connected


@contextmanager
def server(*, first: bytes = b"", then: bytes = b"") -> Iterator[str]:
    """Serve what begins with `first`, answers with `then`, and keeps its connections."""
    kept: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def speak() -> None:
            while True:
                try:
                    caller, _ = listening.accept()
                    kept.append(caller)
                    caller.sendall(first)
                    if then and caller.recv(64):
                        caller.sendall(then)
                except OSError:
                    return

        threading.Thread(target=speak, daemon=True).start()
        try:
            yield f"tcp://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            for each in kept:
                each.close()


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler_probe, "_LISTEN_SECONDS", 0.3)


def test_a_silent_scheduler_may_answer_later() -> None:
    with server() as address, pytest.raises(UnavailableError, match="says nothing") as raised:
        connected(address)
    assert not raised.value.final


def test_what_speaks_first_is_left_to_dask() -> None:
    with server(first=b"hello") as address:
        assert scheduler_probe.what_answers(address, 1) is None


@pytest.mark.parametrize(
    ("answer", "said"),
    [(b"HTTP/1.0 404 Not Found\r\n\r\n", "speaks HTTP"), (b"what?", "does not speak Dask's protocol")],
)
def test_bytes_of_another_protocol_are_final(answer: bytes, said: str) -> None:
    with server(then=answer) as address, pytest.raises(SettingsError, match=said):
        connected(address)


def test_a_refused_connection_is_told_at_once_and_as_such() -> None:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        port = bound.getsockname()[1]
    with pytest.raises(UnavailableError, match="the connection was refused, as nothing listens there") as refused:
        connected(f"tcp://127.0.0.1:{port}")
    assert "within" not in str(refused.value)
    assert refused.value.waited_seconds < 10
