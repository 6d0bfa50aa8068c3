"""Finds the servers: by name, by environment, or the local stack."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Any

from lsh_core.elastic.connection import Connection
from lsh_core.errors import ArgumentError, SettingsError
from lsh_core.jobs.services import Services
from lsh_core.local.state import running_stack

_EXCLUSIVE = (("api_key", "username", "password"), ("ca_certs", "ca_fingerprint"))


def connect(urls: str | Iterable[str] | Connection | None = None, **options: Any) -> Connection:
    """Return the connection to Elasticsearch; nothing is sent.

    Parameters
    ----------
    urls
        Addresses of the nodes, as a list or with commas between them. Default: ``AIRLSH_ES_URL``, else
        ``AIRLSH_ES_CLOUD_ID``, else the running local stack. Credentials and certificates come from the environment,
        see `Connection.from_urls`.
    **options
        Fields of `Connection` that override the environment.

    Raises
    ------
    SettingsError
        No Elasticsearch is named and no local stack runs, or options contradict each other.
    ArgumentError
        An option is unknown.

    Examples
    --------
    >>> from lsh_core import connect
    >>> connect("http://127.0.0.1:9200", username="elastic", password="secret", request_timeout_seconds=5)
    Connection(urls=('http://127.0.0.1:9200',), username='elastic', ca_certs=None, verify_certs=True, \
request_timeout_seconds=5, ca_fingerprint=None, client_cert=None, client_key=None, http_compress=False)
    """
    known = [each.name for each in fields(Connection) if each.name != "urls"]
    for name in options:
        if name not in known:
            raise ArgumentError(name, "…", f"is not an option of a connection: there are {', '.join(known)}")
    if isinstance(urls, Connection):
        connection = urls
    elif urls is None or isinstance(urls, str):
        connection = Connection.from_urls(urls or _named_or_local())
    elif isinstance(urls, Iterable):
        connection = Connection.from_urls(",".join(map(str, urls)))
    else:
        raise ArgumentError("urls", type(urls).__name__, "must be addresses such as http://127.0.0.1:9200")
    for group in _EXCLUSIVE:
        if any(name in options for name in group):
            options = {**dict.fromkeys(group), **options}
    return replace(connection, **options) if options else connection


def find_services(urls: str | Iterable[str] | Connection | None = None, dask: str | None = None) -> Services:
    """Return the servers that a verb works with, as the command line finds them.

    Parameters
    ----------
    urls
        See `connect`.
    dask
        Address of a Dask scheduler. Default: ``AIRLSH_DASK``, else the scheduler of the running local stack if its
        Elasticsearch is used too. Without a scheduler, a verb starts two workers.

    Raises
    ------
    SettingsError
        As `connect`.

    Examples
    --------
    >>> from lsh_core import find_services
    >>> find_services("http://127.0.0.1:9200", "tcp://127.0.0.1:8786").dask
    'tcp://127.0.0.1:8786'
    """
    named = bool(urls or os.environ.get("AIRLSH_ES_URL") or os.environ.get("AIRLSH_ES_CLOUD_ID"))
    # The Dask cluster of the local stack only serves the Elasticsearch of the stack.
    stack = None if named else running_stack()
    address = dask or os.environ.get("AIRLSH_DASK") or (stack.dask if stack else None)
    return Services(connect(urls), address or None)


def _named_or_local() -> str | None:
    """Return the addresses of the environment or the local stack; None: a Cloud ID is set."""
    urls = os.environ.get("AIRLSH_ES_URL")
    if urls or os.environ.get("AIRLSH_ES_CLOUD_ID"):
        return urls or None
    stack = running_stack()
    if stack is None or not stack.elasticsearch:
        reason = (
            "no Elasticsearch: start one with `airlsh up`, or name yours with --es URL, or with AIRLSH_ES_URL; one "
            "that was started from another folder has to be named too"
        )
        raise SettingsError("es", "", reason)
    return ",".join(stack.elasticsearch)
