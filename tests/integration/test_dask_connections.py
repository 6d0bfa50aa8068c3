"""Dask clusters that are not ready, or are not what their address says: waited for, or refused in a sentence."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lsh_core.errors import SettingsError, UnavailableError
from lsh_core.jobs.dask.workers import dask_at, worker_threads

if TYPE_CHECKING:
    from distributed import LocalCluster


@pytest.fixture
def empty() -> Iterator[LocalCluster]:
    """A cluster without a worker, with a dashboard."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=0,
        threads_per_worker=1,
        processes=False,
        protocol="tcp://",
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        silence_logs=50,
    ) as cluster:
        yield cluster


def test_an_adaptive_cluster_starts_a_worker_for_a_job_that_begins(empty: LocalCluster) -> None:
    empty.adapt(minimum=0, maximum=1, interval="100ms")
    assert not empty.workers
    with dask_at(empty.scheduler_address) as client:
        assert worker_threads(client) == (1, 1)
        assert client.submit(sum, (1, 2)).result(timeout=20) == 3


def test_a_worker_that_comes_late_is_waited_for_and_the_log_says_so(
    empty: LocalCluster, caplog: pytest.LogCaptureFixture
) -> None:
    late = threading.Timer(1.0, empty.scale, args=(1,))
    late.start()
    with caplog.at_level(logging.WARNING, "lsh_core.jobs.dask.workers"), dask_at(empty.scheduler_address) as client:
        assert worker_threads(client)[0] == 1
    assert "1 worker is wanted, there is none; waiting for 300 s more" in caplog.messages[0]


def test_no_worker_in_time_is_an_error_that_names_the_setting(
    empty: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRLSH_DASK_WAIT_SECONDS", "0.5")
    assert "there is none; start one, or set AIRLSH_DASK_WAIT_SECONDS" in refusal(empty.scheduler_address)
    monkeypatch.setenv("AIRLSH_DASK_WAIT_SECONDS", "soon")
    assert "AIRLSH_DASK_WAIT_SECONDS='soon': must be a number of seconds" in refusal(empty.scheduler_address)


def refusal(address: str) -> str:
    """Return why an address is refused, within seconds."""
    started = time.monotonic()
    with pytest.raises((SettingsError, UnavailableError)) as refused, dask_at(address):
        pass
    assert time.monotonic() - started < 40
    return str(refused.value)


def test_what_is_no_scheduler_is_refused_with_what_it_is(empty: LocalCluster) -> None:
    dashboard = empty.dashboard_link.split("//")[1].split("/")[0]
    scheduler = empty.scheduler_address.removeprefix("tcp://")
    assert "it speaks HTTP, as the dashboard of a scheduler does" in refusal(f"tcp://{dashboard}")
    assert f"it does not speak TLS: write tcp://{scheduler}" in refusal(f"tls://{scheduler}")
    assert "connection was refused" in refusal("tcp://127.0.0.1:9")
    assert "did not answer" in refusal("tcp://no-such-host.invalid:8786")
    assert "foo" in refusal(f"foo://{scheduler}")


@pytest.fixture
def certificate(tmp_path: Path) -> str:
    """A self-signed certificate with its key, in one file."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "dask")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    own = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = tmp_path / "dask.pem"
    file.write_bytes(own + made.public_bytes(encoding))
    return str(file)


def test_a_scheduler_behind_tls_is_used_with_certificates_and_else_refused(certificate: str) -> None:
    import dask
    from distributed import LocalCluster
    from distributed.security import Security

    tls: dict[str, Any] = {"distributed.comm.tls.ca-file": certificate, "distributed.comm.require-encryption": True}
    for role in ("client", "scheduler", "worker"):
        tls |= {f"distributed.comm.tls.{role}.{part}": certificate for part in ("cert", "key")}
    with dask.config.set(tls):
        security = Security()
    with LocalCluster(
        n_workers=1,
        threads_per_worker=1,
        processes=False,
        protocol="tls://",
        security=security,
        dashboard_address="127.0.0.1:0",
        silence_logs=50,
    ) as cluster:
        address = cluster.scheduler_address
        assert address.startswith("tls://")
        assert f"it speaks TLS: write {address}" in refusal(address.replace("tls://", "tcp://"))
        assert "give the certificates as DASK_DISTRIBUTED__COMM__TLS__" in refusal(address)
        with dask.config.set(tls), dask_at(address) as client:
            assert client.submit(sum, (1, 2)).result(timeout=20) == 3
