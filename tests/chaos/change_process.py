"""A process that changes a live index until it is ended: each change is noted before it, and again after its answer.

``python -m tests.chaos.change_process URL NAME NUMBER SEED LOG``; SIGTERM ends it after the change at hand.
"""

from __future__ import annotations

import itertools
import json
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

WRITERS = 4
SOURCE_ROWS, OWN_IDS = 40, 20
FIRST_MARK = 1_000_000
END_SECONDS = 120.0


class Noted(NamedTuple):
    """One change of one id: the mark that it gives to its document, or None for a deletion, and if it was answered."""

    id: str
    mark: int | None
    answered: bool


class ChangeProcess:
    """A writer with ids of its own: a few of the source's, and a few that are new. What it did is in its log."""

    def __init__(self, folder: Path, url: str, name: str, number: int, seed: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        turn = len(list(folder.glob(f"{number}-*.jsonl")))
        self.log, self._said = folder / f"{number}-{turn}.jsonl", folder / f"{number}-{turn}.err"
        arguments = [url, name, str(number), f"{seed}-{turn}", str(self.log)]
        self.log.touch()
        with self._said.open("wb") as said:
            self._popen = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.change_process", *arguments], stderr=said
            )

    def kill(self) -> bool:
        """End it with SIGKILL; return whether it still ran."""
        ran = self._popen.poll() is None
        self._popen.kill()
        self._popen.wait()
        return ran

    def end(self) -> None:
        """Let it end its change, and see that nothing went wrong."""
        self._popen.terminate()
        code = self._popen.wait(END_SECONDS)
        assert code == 0, f"{self.log.name}: {self._said.read_text()[-3000:]}"

    @property
    def has_begun(self) -> bool:
        """Whether it has noted a change."""
        return self.log.exists() and self.log.stat().st_size > 0

    def notes(self) -> Iterator[Noted]:
        """Yield its changes in order; those of a batch that was not answered are the last."""
        waiting: list[Noted] = []
        for line in self.log.read_text().splitlines():
            batch = json.loads(line)
            if batch == "answered":
                yield from (each._replace(answered=True) for each in waiting)
                waiting = []
            else:
                waiting = [Noted(identity, mark, False) for identity, mark in batch]
        yield from waiting


def main(url: str, name: str, number: str, seed: str, log: str) -> None:
    """Change ids of this writer, a few at a time."""
    from lsh_core.elastic.connection import Connection
    from lsh_core.search.vector_index import VectorIndex
    from tests.fakes.parquet_sources import clustered

    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    chance = random.Random(f"{seed} {number}")
    index = VectorIndex(name, Connection((url,)), wait_seconds=15)
    dims = index.build.field.dims
    vectors = clustered(100, dims).tolist()
    owned = [f"r{row}" for row in range(int(number), WRITERS * SOURCE_ROWS, WRITERS)]
    owned += [f"new-{number}-{each}" for each in range(OWN_IDS)]
    marks = itertools.count(FIRST_MARK + chance.randrange(10**9) * WRITERS + int(number), WRITERS)
    with Path(log).open("w", buffering=1) as notes:
        while not stopped.is_set():
            ids = chance.sample(owned, chance.randint(1, 4))
            gone = chance.random() < 0.4
            batch = {each: None if gone else next(marks) for each in ids}
            notes.write(json.dumps(list(batch.items())) + "\n")
            if gone:
                index.delete(ids)
            else:
                index.upsert(
                    [{"id": each, "embedding": chance.choice(vectors), "mark": mark} for each, mark in batch.items()]
                )
            notes.write('"answered"\n')


if __name__ == "__main__":
    main(*sys.argv[1:])
