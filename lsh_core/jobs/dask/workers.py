"""Dask clusters: a running cluster, or two workers of this process."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lsh_core.errors import ArgumentError, SettingsError, UnavailableError
from lsh_core.jobs.dask.address import scheduler_address
from lsh_core.jobs.dask.scheduler_probe import what_answers
from lsh_core.jobs.dask.worker_liveness import why_nobody_works, workers_of
from lsh_core.signals import raise_if_signalled

if TYPE_CHECKING:
    from distributed import Client

logger = logging.getLogger(__name__)

_CONNECT_SECONDS = 15
_WAIT = "AIRLSH_DASK_WAIT_SECONDS"
_WORKER_SECONDS = 300.0
_LOOK_SECONDS, _TELL_SECONDS = 0.2, 10.0


def check_address(address: str | None) -> None:
    """Raise `SettingsError` unless `address` can be a Dask scheduler's, or is None."""
    if address is not None and not isinstance(address, str):
        raise ArgumentError("dask", address, "must be the address of a Dask scheduler, such as tcp://host:8786")
    if address is not None:
        scheduler_address(address, require_port=True)


@contextmanager
def dask_at(address: str | None) -> Iterator[Client]:
    """Connect to the scheduler at `address` during the block.

    Without an address, two workers are started, and ended with the block.

    Raises
    ------
    SettingsError
        The server at `address` is not a Dask scheduler, or its use of TLS differs from the address.
    UnavailableError
        The scheduler does not answer, or has no worker within ``AIRLSH_DASK_WAIT_SECONDS``, 300 by default.
    """
    from distributed import Client, LocalCluster

    if address is None:
        with (
            # Logs nothing, not even errors: the caller raises the error of a task. The cluster serves pages even
            # without a dashboard, on a port that may be in use, and warns of it.
            LocalCluster(
                n_workers=2,
                threads_per_worker=1,
                dashboard_address="127.0.0.1:0",
                scheduler_kwargs={"dashboard": False},
                silence_logs=50,
            ) as cluster,
            Client(cluster, set_as_default=False) as client,
        ):
            yield client
        return
    address = scheduler_address(address)
    what = f"Dask scheduler at {address}"
    with connected(address) as client:
        _wait_for_a_worker(client, what, _wait_seconds())
        yield client


def connected(address: str) -> Client:
    """Return a new client of the scheduler at `address`; the caller closes it.

    Raises
    ------
    SettingsError
        The server is not a Dask scheduler, or its use of TLS differs from the address.
    UnavailableError
        No server answers.
    """
    from distributed import Client

    started = time.monotonic()
    try:
        wrong = what_answers(address, _CONNECT_SECONDS)
        if wrong is not None:
            raise SettingsError("dask", address, wrong)
        return Client(address, set_as_default=False, timeout=_CONNECT_SECONDS, direct_to_workers=False)
    except TypeError as error:  # Dask raises this if a certificate is missing.
        raise SettingsError(
            "dask", address, f"{error}; give the certificates as DASK_DISTRIBUTED__COMM__TLS__*"
        ) from error
    except (OSError, TimeoutError, ValueError, RuntimeError) as error:
        raise _unavailable(address, time.monotonic() - started, error) from error


def _unavailable(address: str, waited: float, error: Exception) -> UnavailableError:
    """Return the error for a scheduler that could not be reached; a refused connection is named as one."""
    found = UnavailableError(f"Dask scheduler at {address}", waited, _innermost(error))
    if isinstance(error, ConnectionRefusedError):
        reason = "the connection was refused, as nothing listens there; start the scheduler, or give its address"
        found.args = (f"Dask scheduler at {address} does not answer: {reason} (--dask, AIRLSH_DASK)",)
    return found


def _wait_for_a_worker(client: Client, what: str, seconds: float) -> None:
    """Wait until a worker accepts tasks.

    A task requests the worker, because an adaptive cluster starts none without a task.

    Raises
    ------
    UnavailableError
        No worker accepts tasks within `seconds`.
    """
    started = told_at = time.monotonic()
    asked = None
    while not any(worker.status == "running" for worker in workers_of(client)):
        asked = client.submit(int, pure=False) if asked is None else asked
        now = time.monotonic()
        reason = why_nobody_works(workers_of(client), {})
        if now - started >= seconds:
            raise UnavailableError(
                what, seconds, f"no worker accepts tasks: {reason}; start one, or set {_WAIT} to wait longer"
            )
        if now >= told_at:
            told_at = now + _TELL_SECONDS
            left = seconds - (now - started)
            logger.warning("%s: 1 worker is wanted, %s; waiting for %.0f s more (%s)", what, reason, left, _WAIT)
        raise_if_signalled()
        time.sleep(_LOOK_SECONDS)


def _wait_seconds() -> float:
    given = os.environ.get(_WAIT, "")
    try:
        seconds = float(given or _WORKER_SECONDS)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise SettingsError(_WAIT, given, "must be a number of seconds, 0 or more")
    return seconds


def _innermost(error: BaseException) -> str:
    """Return the message of the innermost cause; Dask's own message is only about the time-out."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error) or type(error).__name__


def worker_threads(client: Client) -> tuple[int, int]:
    """Return the number of workers, and their total number of threads, at least one."""
    workers = workers_of(client)
    # An adaptive cluster may have stopped its last worker meanwhile, and starts a worker for the next task.
    return len(workers), max(1, sum(worker.threads for worker in workers))
