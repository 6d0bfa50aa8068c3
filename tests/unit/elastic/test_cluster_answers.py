from __future__ import annotations

import pickle
from typing import Any

import pytest
from elastic_transport import ApiResponseMeta, HttpHeaders, NodeConfig
from elastic_transport.client_utils import DEFAULT

from lsh_core.elastic.cluster import Cluster, _pool_of
from lsh_core.elastic.connection import Connection
from lsh_core.elastic.copies import copies_missing
from lsh_core.elastic.whole_answers import require_all_shards
from lsh_core.errors import PartialAnswerError, RequestRefusedError, UnavailableError
from tests.fakes.one_client import cluster_of

THREE_NODES = Connection(urls=("http://a:1", "http://b:2", "http://c:3"))


@pytest.fixture(autouse=True)
def forget_the_nodes() -> None:
    _pool_of.cache_clear()


def api_error(status: int) -> Exception:
    from elasticsearch import ApiError

    node = NodeConfig("http", "a", 1)
    meta = ApiResponseMeta(status, "1.1", HttpHeaders(), 0.0, node)
    return ApiError("said so", meta, {})


def refused() -> Exception:
    from elasticsearch import ConnectionError

    return ConnectionError("refused", errors=(OSError("refused"),))


def url_of(client: Any) -> str:
    return str(next(iter(client.transport.node_pool.all())).base_url)


def test_an_answer_of_all_shards_passes() -> None:
    require_all_shards("count", "idx", {"_shards": {"total": 3, "successful": 3, "failed": 0}})
    require_all_shards("count", "idx", {"_shards": {"total": 3, "successful": 3}})


@pytest.mark.parametrize(
    "shards",
    [
        {"total": 3, "successful": 2, "failed": 0},
        {"total": 3, "successful": 2, "failed": 1},
        {"total": 3, "successful": 3, "failed": 1},
        {"total": 1, "successful": 0},
    ],
)
def test_an_answer_with_a_shard_missing_is_refused(shards: dict[str, int]) -> None:
    with pytest.raises(PartialAnswerError) as raised:
        require_all_shards("count", "idx", {"_shards": shards})
    assert (raised.value.action, raised.value.index) == ("count", "idx")
    assert raised.value.total == shards["total"]


def test_the_next_node_is_asked_when_one_does_not_answer() -> None:
    asked: list[str] = []

    def action(client: Any) -> str:
        asked.append(url_of(client))
        if len(asked) < 3:
            raise refused() if len(asked) == 1 else api_error(503)
        return "answer"

    assert Cluster(THREE_NODES).run(action, first=1) == "answer"
    assert asked == ["http://b:2", "http://c:3", "http://a:1"]


def test_a_node_that_hangs_costs_its_time_out_once() -> None:
    asked: list[str] = []

    def action(client: Any) -> str:
        asked.append(url_of(client))
        if asked[-1] == "http://b:2":
            raise refused()
        return "answer"

    for first in (1, 2, 0, 1):
        Cluster(THREE_NODES).run(action, first=first)
    assert asked == ["http://b:2", "http://c:3", "http://c:3", "http://a:1", "http://c:3"]


def test_a_cluster_travels_to_workers_and_shares_its_nodes() -> None:
    cluster = pickle.loads(pickle.dumps(Cluster(THREE_NODES)))
    assert cluster == Cluster(THREE_NODES)
    assert hash(cluster) == hash(Cluster(THREE_NODES))
    Cluster(THREE_NODES).nodes.failed(1)
    assert cluster.nodes.away() == cluster.waiting(0).nodes.away() == [1]


@pytest.mark.parametrize(
    ("cluster", "options", "seconds"),
    [
        (Cluster(THREE_NODES), {}, DEFAULT),
        (Cluster(THREE_NODES, request_seconds=3), {}, 3),
        (Cluster(THREE_NODES), {"longest_seconds": 600}, 600),
        (Cluster(THREE_NODES, request_seconds=3, watch=False), {}, 3),
        (Cluster(THREE_NODES, watch=False), {"longest_seconds": 600}, 600),
    ],
)
def test_the_time_out_of_a_request(cluster: Cluster, options: dict[str, Any], seconds: object) -> None:
    assert cluster.run(lambda client: client._request_timeout, **options) == seconds


def test_a_node_on_trial_gets_a_short_time_out_even_for_a_long_request() -> None:
    nodes = Cluster(THREE_NODES).nodes
    nodes.failed(0)
    nodes._health[0].failed_at -= 10  # Its quarantine is over.
    assert Cluster(THREE_NODES).run(lambda client: client._request_timeout, longest_seconds=600) == 5


def test_a_node_that_answers_with_an_error_is_not_away() -> None:
    asked: list[str] = []

    def action(client: Any) -> str:
        asked.append(url_of(client))
        if len(asked) == 1:
            raise api_error(503)  # As a search does whose shard is away: any node would say so.
        return "answer"

    Cluster(THREE_NODES).run(action)
    Cluster(THREE_NODES).run(action)
    assert asked == ["http://a:1", "http://b:2", "http://a:1"]


def test_all_nodes_are_tried_although_none_answered_a_moment_ago() -> None:
    up = False

    def action(client: Any) -> str:
        if not up or url_of(client) != "http://c:3":
            raise refused()
        return "answer"

    with pytest.raises(UnavailableError):
        Cluster(THREE_NODES, 0).run(action)
    up = True
    assert Cluster(THREE_NODES, 0).run(action) == "answer"


def test_a_call_that_breaks_off_leaves_the_node_to_others() -> None:
    asked: list[str] = []
    Cluster(THREE_NODES).nodes.failed(0)

    def action(client: Any) -> str:
        asked.append(url_of(client))
        raise KeyboardInterrupt

    for _ in range(2):
        Cluster(THREE_NODES).nodes._health[0].failed_at -= 10  # Its quarantine is over.
        with pytest.raises(KeyboardInterrupt):
            Cluster(THREE_NODES).run(action)
    assert asked == ["http://a:1", "http://a:1"]


@pytest.mark.parametrize("status", [400, 404, 409])
def test_what_a_node_refuses_no_other_node_is_asked(status: int) -> None:
    asked: list[str] = []

    def action(client: Any) -> None:
        asked.append(url_of(client))
        raise api_error(status)

    from elasticsearch import ApiError

    with pytest.raises(RequestRefusedError if status == 400 else ApiError):
        Cluster(THREE_NODES).run(action)
    assert len(asked) == 1


def test_no_answer_at_all_names_the_nodes_and_what_to_do() -> None:
    def action(client: Any) -> None:
        raise refused()

    with pytest.raises(UnavailableError, match="http://a:1, http://b:2, http://c:3") as raised:
        Cluster(THREE_NODES, 0).run(action)
    assert "refused" in raised.value.last
    assert any("airlsh up" in note for note in raised.value.__notes__)


class Health:
    """A client whose cluster has copies that are still to come, fewer each time it is asked."""

    def __init__(self, *missing: int) -> None:
        self._missing, self.cluster, self.asked = list(missing), self, 0

    def options(self, **_: Any) -> Health:
        return self

    def health(self, **_: Any) -> dict[str, int]:
        self.asked += 1
        missing = self._missing.pop(0) if len(self._missing) > 1 else self._missing[0]
        return {"unassigned_shards": missing // 2, "initializing_shards": missing - missing // 2}


def test_copies_are_waited_for_and_those_that_do_not_come_are_counted() -> None:
    coming, never = Health(3, 1, 0), Health(3)
    assert copies_missing(cluster_of(coming), ["idx"], seconds=60) == 0
    assert coming.asked == 3
    assert copies_missing(cluster_of(never), ["idx"], seconds=0) == 3


def test_a_node_that_answered_says_more_than_one_that_did_not() -> None:
    def ask(client: Any) -> None:
        raise api_error(503) if "//a:" in url_of(client) else refused()

    with pytest.raises(UnavailableError, match="said so"):
        Cluster(THREE_NODES, 0).run(ask)
