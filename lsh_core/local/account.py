"""Chooses the account that an Elasticsearch node runs under.

A node refuses to run as root, so root hands it to another account.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lsh_core.errors import StackError

CANDIDATES = ("elasticsearch", "nobody")


@dataclass(frozen=True)
class Account:
    """An account other than root."""

    name: str
    uid: int
    gid: int

    def popen_arguments(self) -> dict[str, Any]:
        """Return the arguments of :class:`subprocess.Popen` for running a command as this account."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def node_account() -> Account | None:
    """Return the account for nodes; None: the current account.

    Raises
    ------
    StackError
        The process runs as root, and no other account exists.
    """
    if os.geteuid() != 0:
        return None
    for name in CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Account(name, entry.pw_uid, entry.pw_gid)
    raise StackError(
        "elasticsearch",
        f"it refuses to run as root, and there is no account {' or '.join(CANDIDATES)} on this machine",
        remedy="Run as an ordinary user, or create one: useradd --system elasticsearch",
    )


def can_reach(account: Account | None, path: Path, *, write: bool = False) -> bool:
    """Return whether `account` (None: the current one) can enter and write the folder `path`.

    The operating system decides, as that account, since mode bits alone are not sufficient.
    """
    if account is None:
        return os.access(path, os.X_OK | (os.W_OK if write else os.R_OK))
    command = ["test", "-x", str(path), "-a", "-w" if write else "-r", str(path)]
    try:
        return subprocess.run(command, cwd="/", check=False, **account.popen_arguments()).returncode == 0
    except PermissionError as error:
        raise StackError(
            "elasticsearch",
            f"it refuses to run as root, and this process may not become {account.name}: {error}",
            remedy="Run as an ordinary user, or give the container the capabilities SETUID and SETGID.",
        ) from error


def give(account: Account | None, path: Path) -> None:
    """Make `account` the owner of `path` and everything below it."""
    if account is None:
        return
    os.chown(path, account.uid, account.gid)
    for folder, folders, files in os.walk(path):
        for name in (*folders, *files):
            os.chown(Path(folder, name), account.uid, account.gid, follow_symlinks=False)
