"""Checks this machine for the local stack, with a remedy per failure."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

from lsh_core.errors import StackError
from lsh_core.local.account import Account, node_account
from lsh_core.local.airflow_standalone import PREFERRED_PORT as AIRFLOW_PORT
from lsh_core.local.cluster import PREFERRED_PORT as ELASTICSEARCH_PORT
from lsh_core.local.container import docker_answers
from lsh_core.local.dask_cluster import PREFERRED_PORT as DASK_PORT
from lsh_core.local.distribution import UNPACK_BYTES
from lsh_core.local.java import MIN_VERSION, find_java
from lsh_core.local.machine import MEBIBYTE, NODE_DISK_BYTES, available_memory_bytes, cache_folder, free_disk_bytes
from lsh_core.local.ports import is_free
from lsh_core.local.state import FOLDER, running_stack

PYTHON_FROM, PYTHON_BELOW = (3, 11), (3, 13)
NEEDED_MEMORY_BYTES = 4096 * MEBIBYTE


class Check(NamedTuple):
    """Result of one check; `remedy` is empty if there is nothing to do."""

    check: str
    ok: bool
    detail: str
    remedy: str = ""


def check_machine(folder: Path = Path(FOLDER)) -> list[Check]:
    """Check everything that a stack in `folder` needs, without starting, fetching or changing anything."""
    checks = [_python()]
    try:
        account = node_account()
    except StackError as error:
        checks.append(Check("account", False, error.cause, error.remedy))
        account = None
    else:
        checks.append(Check("account", True, f"nodes run as {account.name}" if account else "nodes run as you"))
    return [*checks, _java(account), _memory(), *_disk(folder), *_ports(folder), _docker()]


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    ok = PYTHON_FROM <= sys.version_info[:2] < PYTHON_BELOW
    return Check("python", ok, version, "" if ok else "Use Python 3.11 or 3.12.")


def _java(account: Account | None) -> Check:
    java, refused = find_java(account)
    if java:
        return Check("java", True, f"{java.version} in {java.home}")
    looked = "; ".join(refused) or "none found"
    return Check("java", False, looked, f"A start tries to fetch one; or install JDK {MIN_VERSION}+, set ES_JAVA_HOME.")


def _memory() -> Check:
    available = available_memory_bytes()
    ok = available >= NEEDED_MEMORY_BYTES
    remedy = "" if ok else f"{NEEDED_MEMORY_BYTES // MEBIBYTE:,} MiB are needed for one node: end other programs."
    return Check("memory", ok, f"{available // MEBIBYTE:,} MiB available", remedy)


def _disk(folder: Path) -> list[Check]:
    checks = []
    try:
        places = [("disk", folder.resolve(), NODE_DISK_BYTES), ("cache", cache_folder(), UNPACK_BYTES)]
    except StackError as error:
        checks.append(Check("cache", False, error.cause, error.remedy))
        places = [("disk", folder.resolve(), NODE_DISK_BYTES)]
    for name, place, needed in places:
        free = free_disk_bytes(place)
        remedy = "" if free >= needed else f"{needed // MEBIBYTE:,} MiB are needed: free some, or use another folder."
        checks.append(Check(name, free >= needed, f"{free // MEBIBYTE:,} MiB free at {place}", remedy))
    return checks


def _ports(folder: Path) -> list[Check]:
    """Check the default ports, which are optional: other ports replace those in use."""
    if running_stack(folder):
        return [Check("ports", True, "a stack is running here")]
    usual = (ELASTICSEARCH_PORT, DASK_PORT, AIRFLOW_PORT)
    taken = ", ".join(str(port) for port in usual if not is_free(port))
    return [Check("ports", True, f"in use: {taken}; others are picked instead" if taken else "the usual ones are free")]


def _docker() -> Check:
    answers = docker_answers()
    return Check("docker", True, "answers" if answers else "does not answer; not needed")
