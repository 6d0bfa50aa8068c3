from __future__ import annotations

import orjson
import pytest

from lsh_core.elastic.bulk_answers import ItemVerdict, Verdict
from lsh_core.loading.node_stats import NodeStats, merge_spans


@pytest.mark.parametrize(
    ("spans", "wanted"),
    [
        ([], []),
        ([(1, 2)], [(1, 2)]),
        ([(5, 6), (1, 3), (2, 4)], [(1, 4), (5, 6)]),
        ([(1, 9), (2, 3)], [(1, 9)]),
        ([(1, 2), (2, 3)], [(1, 3)]),
    ],
)
def test_times_that_overlap_count_once(spans: list[tuple[float, float]], wanted: list[tuple[float, float]]) -> None:
    assert merge_spans(spans) == wanted


def test_two_workers_that_saw_one_outage_tell_of_one() -> None:
    one, other = NodeStats(unreachable=1, away=[(10.0, 40.0)]), NodeStats(unreachable=2, away=[(11.0, 42.5)])
    one.add(other)
    assert one.unreachable == 3
    assert one.away_seconds == 32.5


def test_why_rows_are_sent_again_is_told_apart() -> None:
    tally = NodeStats()
    tally.sent_again(5, ItemVerdict(Verdict.NO_PRIMARY, "unavailable_shards_exception"))
    tally.sent_again(3, ItemVerdict(Verdict.BLOCKED, "cluster_block_exception"))
    tally.sent_again(2, ItemVerdict(Verdict.RETRY, "es_rejected_execution_exception"))
    tally.sent_again(1, ItemVerdict(Verdict.RETRY, "node_not_connected_exception"))
    assert (tally.retried, tally.waited_for_primary, tally.blocked, tally.too_busy) == (11, 5, 1, 1)


def test_a_tally_survives_its_ledger_entry() -> None:
    tally = NodeStats(requests=2, rows=7, unreachable=1, away=[(1.5, 2.25)])
    document = orjson.loads(orjson.dumps(tally.to_document()))
    assert document == {"requests": 2, "rows": 7, "retried": 0, "unreachable": 1, "away": [[1.5, 2.25]]}
    assert NodeStats.from_document(document) == tally
    assert NodeStats.from_document({"requests": 1, "rows": 2, "retried": 3}) == NodeStats(1, 2, 3)


def test_a_node_that_was_never_away_has_no_such_time() -> None:
    tally = NodeStats()
    tally.was_away(0)
    assert tally.away == []
    tally.was_away(2)
    assert tally.away_seconds == pytest.approx(2, abs=0.01)
