"""``airlsh index`` as a process of its own, watched through the ledger and killed when a test says so."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.chaos.contents import builds_of, read_ledger

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

AIRLSH = Path(sys.executable).with_name("airlsh")
POLL_SECONDS = 0.02
END_SECONDS = 240.0


class Command:
    """A running ``airlsh`` command; what it prints goes into files under `folder`."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        number = len(list(folder.glob("*.out")))
        self._out, self._err = folder / f"{number}.out", folder / f"{number}.err"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self._popen = subprocess.Popen(
                [str(AIRLSH), *arguments, "--json"], stdin=subprocess.DEVNULL, stdout=out, stderr=err
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._popen.pid

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self._popen.poll() is None

    @property
    def said(self) -> str:
        """What it wrote to standard error."""
        return self._err.read_text(errors="replace")

    def kill(self) -> bool:
        """End it with SIGKILL; return whether it still ran."""
        ran = self.runs
        self._popen.kill()
        self._popen.wait()
        return ran

    def wait(self) -> int:
        """Wait for its end and return its exit code."""
        try:
            return self._popen.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"did not end in {END_SECONDS:.0f} s: {self.said[-2000:]}") from None

    def report(self) -> dict[str, Any]:
        """Wait for a good end and return the report that it printed."""
        code = self.wait()
        assert code == 0, f"exit code {code}: {self.said[-4000:]}"
        report: dict[str, Any] = json.loads(self._out.read_text())
        return report


def wait_for_chunks(client: Elasticsearch, name: str, chunks: int, running: Callable[[], bool]) -> str:
    """Return the build that `name` is loading, once its ledger has `chunks` entries (0: once it has a record)."""
    deadline = time.monotonic() + END_SECONDS
    while time.monotonic() < deadline:
        builds = builds_of(client, name)
        if builds and (not chunks or len(read_ledger(client, builds[-1])) >= chunks):
            return builds[-1]
        assert running(), f"{name} ended before {chunks} chunks were in the ledger"
        time.sleep(POLL_SECONDS)
    raise AssertionError(f"{name}: no {chunks} chunks in the ledger in {END_SECONDS:.0f} s")
