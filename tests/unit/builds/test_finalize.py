"""The outcome of a merge, which the server may not be able to tell."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from elastic_transport import ApiResponseMeta, HttpHeaders, NodeConfig

from lsh_core.builds import finalize
from tests.fakes.bulk_cluster import FakeClock
from tests.fakes.one_client import cluster_of

DONE = {"completed": True, "response": {"_shards": {"successful": 1, "total": 1, "failed": 0}}}


class Merging:
    """A client whose looks at the task get `answers` in turn, and the last one from then on."""

    def __init__(self, *answers: int | dict[str, Any]) -> None:
        self._answers, self.merges, self.indices = list(answers), 0, self

    def options(self, **_: Any) -> Merging:
        return self

    def forcemerge(self, **options: Any) -> Any:
        self.merges += 1
        return {"task": "n:1"} if "wait_for_completion" in options else SimpleNamespace(body=DONE["response"])

    def get_settings(self, **_: Any) -> Any:
        return SimpleNamespace(body={"idx": {"settings": {"index.number_of_shards": "1"}}})

    def perform_request(self, *_: Any, **__: Any) -> Any:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, int):
            from elasticsearch import ApiError

            meta = ApiResponseMeta(answer, "1.1", HttpHeaders(), 0.0, NodeConfig("http", "a", 1))
            raise ApiError("said so", meta, {})
        return SimpleNamespace(body=answer)


@pytest.mark.parametrize(
    ("answers", "merges"), [((503, {"completed": False}, 503, DONE), 1), ((503,), 2), ((404,), 2), ((DONE,), 1)]
)
def test_a_passing_503_is_no_end_of_a_merge(
    monkeypatch: pytest.MonkeyPatch, answers: tuple[Any, ...], merges: int
) -> None:
    clock = FakeClock()
    monkeypatch.setattr(finalize, "time", SimpleNamespace(monotonic=clock, sleep=clock.sleep))
    client = Merging(*answers)
    finalize._merge(cluster_of(client), "idx")
    assert client.merges == merges
