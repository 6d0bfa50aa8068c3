"""Finds a Java for Elasticsearch: 21 or newer, with its vector module."""

from __future__ import annotations

import logging
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lsh_core.errors import StackError
from lsh_core.local.account import Account
from lsh_core.local.machine import cache_folder

logger = logging.getLogger("lsh_core.local")

MIN_VERSION = 21
FETCHED_VERSION = "25"
VECTOR_MODULE = "jdk.incubator.vector"
JVM_FOLDER = Path("/usr/lib/jvm")


@dataclass(frozen=True)
class Java:
    """An inspected Java installation."""

    home: Path
    version: int
    modules: frozenset[str]

    def unfit(self) -> str | None:
        """Return why Elasticsearch cannot run on this Java, or None."""
        if self.version < MIN_VERSION:
            return f"version {self.version}, {MIN_VERSION} or newer is needed"
        if VECTOR_MODULE not in self.modules:
            return f"version {self.version}, but without the module {VECTOR_MODULE}"
        return None


def parse_modules(listing: str) -> tuple[int, frozenset[str]] | None:
    """Parse ``java --list-modules``: the version of ``java.base``, and all module names.

    Returns None for other output, as of a Java before 9.
    """
    base = re.search(r"^java\.base@(\d+)", listing, re.MULTILINE)
    if base is None:
        return None
    return int(base.group(1)), frozenset(re.findall(r"^([\w.]+)(?:@\S*)?$", listing, re.MULTILINE))


def inspect_java(home: Path, account: Account | None = None) -> Java | str:
    """Return the Java of `home`, run as `account`, or the reason why it is unfit."""
    binary = home / "bin" / "java"
    try:
        answer = subprocess.run(
            [str(binary), "--list-modules"],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            cwd="/",
            **(account.popen_arguments() if account else {}),
        )
    except FileNotFoundError:
        return "no bin/java in it"
    except PermissionError:
        return f"not to be run by {account.name}" if account else "not to be run"
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    parsed = parse_modules(answer.stdout)
    if parsed is None:
        return f"older than Java 9, or broken (it ended with {answer.returncode})"
    return Java(home, *parsed)


def candidate_homes(environment: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
    """Yield folders that may hold a Java, with their origins, in order of preference."""
    for name in ("ES_JAVA_HOME", "JAVA_HOME"):
        if environment.get(name):
            yield name, Path(environment[name])
    if JVM_FOLDER.is_dir():
        for folder in sorted(JVM_FOLDER.iterdir(), reverse=True):
            if (folder / "bin" / "java").exists():
                yield str(folder), folder
    on_path = shutil.which("java", path=environment.get("PATH", ""))
    if on_path:
        yield "java on PATH", Path(on_path).resolve().parent.parent


def find_java(
    account: Account | None = None, environment: Mapping[str, str] = os.environ
) -> tuple[Java | None, list[str]]:
    """Return the first Java that fits, and a line about each rejected one."""
    refused: list[str] = []
    for place, home in candidate_homes(environment):
        java = inspect_java(home, account)
        reason = java if isinstance(java, str) else java.unfit()
        if isinstance(java, Java) and reason is None:
            return java, refused
        refused.append(f"{place}: {reason}")
    return None, refused


def fetch_java(account: Account | None = None) -> Java:
    """Download a Temurin JDK into the shared cache."""
    from cjdk import java_home

    logger.info("no Java %d or newer on this machine: fetching Temurin %s", MIN_VERSION, FETCHED_VERSION)
    home = java_home(vendor="temurin", version=FETCHED_VERSION, cache_dir=cache_folder() / "jdk")
    java = inspect_java(Path(home), account)
    if isinstance(java, str):
        raise TypeError(f"{home}: {java}")
    return java


def require_java(account: Account | None = None) -> Java:
    """Return a Java for Elasticsearch, found or downloaded.

    Raises
    ------
    StackError
        No Java was found or could be downloaded; the message lists all inspected ones.
    """
    java, refused = find_java(account)
    if java is not None:
        return java
    try:
        return fetch_java(account)
    except Exception as error:  # cjdk passes on errors of its downloader, index and archives
        looked = "; ".join(refused) or f"nothing in ES_JAVA_HOME, JAVA_HOME, {JVM_FOLDER} and PATH"
        raise StackError(
            "java",
            f"Elasticsearch needs JDK {MIN_VERSION} or newer with the module {VECTOR_MODULE}. "
            f"Found: {looked}. Fetching one failed: {type(error).__name__}: {error}",
            remedy="Install a JDK (such as Temurin 25) and set ES_JAVA_HOME to its folder.",
        ) from error
