"""Ports that nobody else has, nor gets in between."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from lsh_core.errors import StackError
from lsh_core.local.ports import RANGE, PortReservation

PICK_IN_ANOTHER_PROCESS = (
    "import sys; from lsh_core.local.ports import PortReservation; "
    "print(PortReservation().pick('other', preferred=int(sys.argv[1])))"
)


def pick_elsewhere(preferred: int) -> int:
    answer = subprocess.run(
        [sys.executable, "-c", PICK_IN_ANOTHER_PROCESS, str(preferred)], capture_output=True, text=True, check=True
    )
    return int(answer.stdout)


def test_no_port_is_picked_twice() -> None:
    with PortReservation() as one, PortReservation() as two:
        ports = [reservation.pick("test") for reservation in (one, two) for _ in range(20)]
    assert len(set(ports)) == 40
    assert all(port in RANGE for port in ports)


def test_a_reserved_port_is_left_alone_by_another_process_until_it_is_let_go() -> None:
    with PortReservation() as reservation:
        port = reservation.pick("test")
        assert pick_elsewhere(port) != port
    assert pick_elsewhere(port) == port


def test_a_preferred_port_that_is_in_use_is_passed_over() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, PortReservation() as reservation:
        taken = server.getsockname()[1]
        assert reservation.pick("test", preferred=taken) != taken


def test_a_port_that_was_asked_for_and_is_in_use_is_an_error_that_names_its_holder() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, PortReservation() as reservation:
        taken = server.getsockname()[1]
        with pytest.raises(StackError, match=rf"port {taken} on 127\.0\.0\.1 is in use by .*process \d+") as caught:
            reservation.pick("airflow", exact=taken)
    assert caught.value.part == "airflow"
    assert "Stop what listens there" in str(caught.value)
