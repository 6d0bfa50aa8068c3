"""Addresses of Dask schedulers."""

from __future__ import annotations

import pytest

from lsh_core.elastic.connection import Connection
from lsh_core.errors import SettingsError
from lsh_core.jobs.services import Services

CONNECTION = Connection(urls=("http://127.0.0.1:9200",))


@pytest.mark.parametrize(
    "address",
    ["tcp://127.0.0.1:8786", "tls://scheduler:8786", "dask-1.local:80", "tcp://[::1]:8786", "tcp://host:8786/"],
)
def test_an_address_has_a_host_and_a_port(address: str) -> None:
    assert Services(CONNECTION, address).dask == address


@pytest.mark.parametrize(
    "address",
    ["", "foo", "tcp://", "tcp://host", "tcp://host:port", "tcp://ho st:1", "tcp://host:1/x", "::1", "tcp://[::1]"],
)
def test_anything_else_is_bad_input(address: str) -> None:
    with pytest.raises(SettingsError, match="must look like tcp://host:8786"):
        Services(CONNECTION, address)
