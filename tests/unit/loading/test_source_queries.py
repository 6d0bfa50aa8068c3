from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest

from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.system_indices import QUERIES, ensure_system_index
from lsh_core.errors import LoadError
from lsh_core.loading.source_queries import SourceQueries, find_queries, read_queries, store_queries, stored_fingerprint
from tests.fakes.memory_server import MemoryServer


def made(size: int, dims: int) -> SourceQueries:
    generator = np.random.default_rng(size)
    vectors = generator.normal(size=(size, dims)).astype(np.float32)
    return SourceQueries(np.arange(size) + 2**33, tuple(f"id-ä{row}" for row in range(size)), vectors)


@pytest.mark.parametrize(("size", "dims"), [(0, 4), (3, 4), (2_000, 700)])
def test_they_are_read_as_they_were_stored(size: int, dims: int) -> None:
    server = Cluster(cast(Any, MemoryServer()))
    ensure_system_index(server, QUERIES)
    assert find_queries(server, "b1") is None
    assert stored_fingerprint(server, "b1") is None
    queries = made(size, dims)
    store_queries(server, "b1", queries)
    again = read_queries(server, "b1", queries.fingerprint)
    assert again.ids == queries.ids
    np.testing.assert_array_equal(again.row_numbers, queries.row_numbers)
    np.testing.assert_array_equal(again.vectors, queries.vectors)
    assert len(again) == size
    assert stored_fingerprint(server, "b1") == queries.fingerprint == again.fingerprint
    assert find_queries(server, "b2") is None


def test_other_queries_are_refused() -> None:
    server = Cluster(cast(Any, MemoryServer()))
    ensure_system_index(server, QUERIES)
    store_queries(server, "b1", made(3, 4))
    for build, queries in (("b1", made(4, 4)), ("b2", made(3, 4))):
        with pytest.raises(LoadError, match=f"queries of build {build}: they are gone"):
            read_queries(server, build, queries.fingerprint)


def test_queries_without_one_of_their_parts_are_gone() -> None:
    server: Any = MemoryServer()
    ensure_system_index(Cluster(server), QUERIES)
    queries = made(3, 4)
    store_queries(Cluster(server), "b1", queries)
    server.delete(index=QUERIES, id="b1:0")
    assert find_queries(Cluster(server), "b1") is None
    with pytest.raises(LoadError, match="they are gone"):
        read_queries(Cluster(server), "b1", queries.fingerprint)
