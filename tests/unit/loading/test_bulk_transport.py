"""A node that was silent is on trial: it is asked again, but not waited for as one that never was."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial

import pytest

from lsh_core.elastic import cluster as cluster_module
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.liveness import call_with_liveness_check
from lsh_core.loading.bulk_transport import ElasticTransport, NodeUnreachableError
from tests.fakes.silent_node import QUICK, Node, serving


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    monkeypatch.setattr(cluster_module, "call_with_liveness_check", partial(call_with_liveness_check, **QUICK))
    monkeypatch.setattr(cluster_module, "_TRIAL_SECONDS", 0.3)
    with serving() as server:
        yield server


def test_a_node_that_was_silent_is_waited_for_briefly_until_it_answers(node: Node) -> None:
    cluster = Cluster(node.connection)
    transport = ElasticTransport(cluster, "docs")
    node.alive.clear()
    with pytest.raises(NodeUnreachableError, match="none to a ping"):
        transport.post(0, b"{}\n")
    assert cluster.nodes.away() == [0], "other requests use it last"
    node.alive.set()  # It says that it lives, and answers nothing else.
    with pytest.raises(NodeUnreachableError, match="timed out"):
        transport.post(0, b"{}\n")
    node.done.set()
    assert transport.post(0, b"{}\n").status == 200
    cluster.nodes.answered(0)  # As its sender notes.
    node.done.clear()
    later = threading.Timer(0.6, node.done.set)  # Longer than a trial: it is not on trial any more.
    later.start()
    assert transport.post(0, b"{}\n").status == 200
    assert node.done.is_set()
