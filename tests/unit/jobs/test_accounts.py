"""Ledger entries added up as they stream by."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np

from lsh_core.builds.node_load import NodeLoad
from lsh_core.jobs.stages.accounts import Accounts
from lsh_core.loading.ledger import LedgerEntry
from lsh_core.loading.node_stats import NodeStats


def entry(chunk: int, node: str, *, dead: int = 0, samples: int = 0, longer: int = 0) -> LedgerEntry:
    return LedgerEntry(
        chunk=chunk,
        source="a.parquet",
        start=chunk * 10,
        stop=chunk * 10 + 10,
        first_row_number=chunk * 10,
        node=node,
        dead_lettered=dead,
        offsets=np.arange(10 - dead),
        id_hashes=np.zeros((10 - dead, 2), np.uint64),
        samples=tuple({"id": f"{chunk}-{number}"} for number in range(samples)),
        nodes={"http://b": NodeStats(requests=2, rows=10 - dead, retried=1)},
        seconds={"read": 0.5, "hash": 0.25},
        rows_beyond_norm=longer,
    )


def test_entries_are_added_up_and_missing_ones_counted() -> None:
    accounts = Accounts()
    given = [entry(0, "http://a", dead=3, longer=2), None, entry(2, "http://b", longer=5), None]
    assert [each.chunk for each in accounts.follow(given)] == [0, 2]
    assert (accounts.chunks, accounts.missing) == (2, 2)
    assert (accounts.rows_read, accounts.dead_lettered, accounts.rows_beyond_norm) == (20, 3, 7)
    assert accounts.nodes(["http://a", "http://c"]) == (
        NodeLoad(node="http://a", chunks=1),
        NodeLoad(node="http://c", chunks=0),
        NodeLoad(node="http://b", chunks=1, requests=4, rows=17, retried=2),
    )
    assert accounts.work_seconds() == {"read": 1.0, "hash": 0.5}


def test_samples_of_many_chunks_are_thinned_evenly() -> None:
    accounts = Accounts()
    for _ in accounts.follow(entry(chunk, "http://a", samples=2) for chunk in range(5_000)):
        pass
    kept = [int(sample["id"].split("-")[0]) for sample in accounts.samples()]
    assert 400 <= len(kept) < 800
    assert kept[0] == 0
    assert {after - before for before, after in pairwise(kept)} == {8}


def test_few_samples_are_all_kept() -> None:
    accounts = Accounts()
    for _ in accounts.follow(entry(chunk, "http://a", samples=2) for chunk in range(100)):
        pass
    assert len(accounts.samples()) == 200


def test_the_story_of_a_node_is_that_of_all_its_chunks() -> None:
    accounts = Accounts()
    first = NodeStats(retried=4, unreachable=1, away=[(10, 40)])
    second = NodeStats(retried=4, unreachable=1, away=[(12, 45.5)], waited_for_primary=3)
    given = [replace(entry(chunk, "http://b"), nodes={"http://b": each}) for chunk, each in enumerate((first, second))]
    assert len(list(accounts.follow(given))) == 2
    (found,) = accounts.nodes(["http://b"])
    assert found.to_json() == {
        "node": "http://b",
        "chunks": 2,
        "requests": 0,
        "rows": 0,
        "retried": 8,
        "unreachable": 2,
        "waited_for_primary": 3,
        "away_seconds": 35.5,
    }
    assert NodeLoad.from_json(found.to_json()) == found
