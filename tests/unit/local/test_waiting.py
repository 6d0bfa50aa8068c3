"""Every part starts and stops alike."""

from __future__ import annotations

import pytest

from lsh_core.errors import StackError
from lsh_core.local.ports import PortReservation
from lsh_core.local.process import Identity
from lsh_core.local.waiting import StartablePart


class Reservation(PortReservation):
    """Says when it is closed."""

    def __init__(self, done: list[str]) -> None:
        self._done = done

    def close(self) -> None:
        self._done.append("close")


class RecordedPart(StartablePart):
    """Writes down what is done to it, and fails where it is told to."""

    name = "part"
    start_seconds = 0.3

    def __init__(self, *, fails: str = "", waits: bool = False) -> None:
        self.done: list[str] = []
        super().__init__(Reservation(self.done))
        self._fails, self._waits = fails, waits

    def _do(self, action: str) -> None:
        self.done.append(action)
        if action == self._fails:
            raise KeyboardInterrupt

    @property
    def leaders(self) -> dict[str, Identity]:
        return {}

    def prepare(self) -> None:
        self._do("prepare")

    def launch(self) -> None:
        self._do("launch")

    def waiting_for(self) -> str | None:
        return "luck" if self._waits else None

    def log_tail(self) -> str:
        return "its last words"

    def stop(self) -> None:
        self._do("stop")


def test_a_part_runs_as_long_as_its_block() -> None:
    with RecordedPart() as part:
        assert part.done == ["prepare", "launch", "close"]
    assert part.done == ["prepare", "launch", "close", "stop"]


@pytest.mark.parametrize("fails", ["prepare", "launch"])
def test_a_start_that_is_cut_off_is_taken_back(fails: str) -> None:
    part = RecordedPart(fails=fails)
    with pytest.raises(KeyboardInterrupt):
        part.start()
    assert part.done[-3:] == [fails, "close", "stop"]


def test_a_part_that_is_never_ready_is_stopped_and_says_what_it_waited_for() -> None:
    part = RecordedPart(waits=True)
    with pytest.raises(StackError, match=r"(?s)^part: not ready after 0 s: still waiting for luck.*its last words"):
        part.start()
    assert part.done == ["prepare", "launch", "close", "stop"]
