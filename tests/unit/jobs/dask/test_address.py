from __future__ import annotations

from typing import Any

import pytest

from lsh_core.elastic.connection import Connection
from lsh_core.errors import SettingsError
from lsh_core.jobs.dask.address import scheduler_address
from lsh_core.jobs.services import Services


@pytest.mark.parametrize(
    ("host", "fields", "address"),
    [
        ("scheduler", {}, "tcp://scheduler:8786"),
        ("tcp://scheduler", {}, "tcp://scheduler:8786"),
        ("TLS://scheduler:1", {}, "tls://scheduler:1"),
        ("tls://scheduler", {"protocol": "tls", "port": 2}, "tls://scheduler:2"),
        ("scheduler:8000", {"port": 8000}, "tcp://scheduler:8000"),
        ("scheduler:8000/", {"protocol": "wss"}, "wss://scheduler:8000"),
        ("ws://scheduler:80", {}, "ws://scheduler:80"),
        ("::1", {}, "tcp://[::1]:8786"),
        ("[fe80::1]:9", {}, "tcp://[fe80::1]:9"),
        (" 10.0.0.1 ", {"port": 9}, "tcp://10.0.0.1:9"),
    ],
)
def test_an_address_in_any_form(host: str, fields: dict[str, Any], address: str) -> None:
    assert scheduler_address(host, **fields) == address
    assert Services(Connection(("http://es:9200",)), dask=address).dask == address


@pytest.mark.parametrize(
    ("host", "fields", "setting"),
    [
        ("tls://scheduler", {"protocol": "tcp"}, "protocol"),
        ("scheduler", {"protocol": "ucx"}, "protocol"),
        ("http://scheduler", {}, "dask"),
        ("inproc://scheduler", {}, "dask"),
        ("scheduler:1", {"port": 2}, "port"),
        ("scheduler:0", {}, "dask"),
        ("scheduler:70000", {}, "dask"),
        ("tcp://tcp://scheduler", {}, "dask"),
        ("one, two", {}, "dask"),
        ("scheduler/path", {}, "dask"),
        ("tcp://user:s3cret@scheduler", {}, "dask"),
        ("user:s3cret@scheduler:1", {}, "dask"),
    ],
)
def test_what_is_no_address_is_refused_by_name(host: str, fields: dict[str, Any], setting: str) -> None:
    with pytest.raises(SettingsError) as raised:
        scheduler_address(host, **fields)
    assert raised.value.setting == setting
    assert "s3cret" not in str(raised.value)
