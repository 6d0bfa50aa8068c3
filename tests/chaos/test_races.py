"""Two at once, fifty races each in the long form: the alias has one index, readers see no seam, losers are told.

The rivals and the readers are processes of their own.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lsh_core.builds.names import live_write_alias, physical_index
from lsh_core.builds.records import BuildRecords
from lsh_core.elastic.connection import Connection
from lsh_core.errors import LeaseHeldError, PromotionConflictError
from lsh_core.jobs.builds import promote_build, rollback
from lsh_core.jobs.index import run_index
from lsh_core.jobs.retention import retire
from lsh_core.jobs.services import Services
from lsh_core.jobs.train import train
from lsh_core.local.cluster import ElasticsearchCluster
from lsh_core.local.dask_cluster import DaskCluster
from lsh_core.search.live_index import RESOLVE_SECONDS
from lsh_core.settings import IndexSettings, PromoteSettings, RetireSettings, RollbackSettings, TrainSettings
from tests.chaos.conftest import ROUNDS
from tests.chaos.contents import builds_of, index_behind
from tests.chaos.racers import Action, Outcome, Racers, Seen, reading
from tests.fakes.parquet_sources import clustered, write_source

ROWS, DIMS, READERS = 300, 8, 2
RACES = 5 * ROUNDS if ROUNDS > 1 else 2
VECTORS = clustered(ROWS, DIMS)
pytestmark = pytest.mark.timeout(600 + 60 * RACES)


@pytest.fixture(scope="module")
def services(chaos_nodes: ElasticsearchCluster, chaos_dask: DaskCluster) -> Services:
    return Services(Connection(chaos_nodes.urls), chaos_dask.address)


@pytest.fixture(scope="module")
def racers(chaos_nodes: ElasticsearchCluster, chaos_dask: DaskCluster) -> Iterator[Racers]:
    made = Racers(2, chaos_nodes.urls, chaos_dask.address)
    yield made
    made.close()


def source(folder: Path, mark: int) -> str:
    """Write a source whose rows all bear `mark`."""
    return write_source(folder / f"{mark}.parquet", [f"r{row}" for row in range(ROWS)], VECTORS, mark=[mark] * ROWS)


def settings_of(name: str, path: str) -> IndexSettings:
    return IndexSettings(name=name, source=path, chunk_rows=100, recall_queries=40)


def assert_undisturbed(seen: list[Seen], builds: int) -> None:
    """Every answer was whole and of one build, each build had its own mark, and `builds` of them were seen."""
    assert len(seen) == READERS
    for each in seen:
        assert not each.troubles, each.troubles[:5]
        marks = [next(iter(found)) for found in each.marks.values() if len(found) == 1]
        assert len(marks) == len(set(marks)) == len(each.marks)
    assert len({build for each in seen for build in each.marks}) >= builds


def assert_told(loser: Outcome, winner: Outcome) -> None:
    """The refused one was told who holds the lease, or that somebody moved the alias."""
    if isinstance(loser.error, LeaseHeldError):
        assert loser.error.holder.endswith(f"process {winner.process}")
    else:
        assert isinstance(loser.error, PromotionConflictError)
        assert "was promoted after this run was planned" in str(loser.error)


def not_live(services: Services, name: str, builds: list[str]) -> list[str]:
    """Return the builds that are not live, the one that a rollback goes to last."""
    client = services.connection.client()
    demoted = {record.build: record.demoted_at or "" for record in BuildRecords(services.cluster).of(name)}
    away = [build for build in builds if physical_index(name, build) != index_behind(client, name)]
    return sorted(away, key=lambda build: demoted[build])


@pytest.mark.parametrize("rival", ["promotion", "rollback"])
def test_promotion_beside(services: Services, racers: Racers, tmp_path: Path, rival: str) -> None:
    name, client = f"promoted-beside-{rival}", services.connection.client()
    train(TrainSettings(name=name, source=source(tmp_path, 0), metric="l2"), services)
    builds = [run_index(settings_of(name, source(tmp_path, mark)), services).build for mark in range(3)]
    refused = 0
    with reading(READERS, services.connection.urls, name, VECTORS[:50]) as seen:
        for _ in range(RACES):
            one, other = (
                Action(promote_build, PromoteSettings(name=name, build=build))
                for build in not_live(services, name, builds)
            )
            outcomes = racers.race(
                one, other if rival == "promotion" else Action(rollback, RollbackSettings(name=name))
            )

            moved = [outcome for outcome in outcomes if outcome.error is None]
            assert moved, outcomes
            assert index_behind(client, name) in {outcome.result.live for outcome in moved}
            assert index_behind(client, live_write_alias(physical_index(name, "*"))) == index_behind(client, name)
            if len(moved) == 1:
                refused += 1
                assert_told(next(outcome for outcome in outcomes if outcome.error), moved[0])
            time.sleep(RESOLVE_SECONDS)  # So that readers look where the alias leads now.
    assert refused
    assert_undisturbed(seen, builds=2)
    print(f"{RACES} races, {refused} refused; {sum(each.searches for each in seen)} searches")


def test_two_indexers_and_then_the_end_of_old_builds(services: Services, racers: Racers, tmp_path: Path) -> None:
    name, client = "indexed-twice", services.connection.client()
    train(TrainSettings(name=name, source=source(tmp_path, 0), metric="l2"), services)
    run_index(settings_of(name, source(tmp_path, 0)), services)
    with reading(READERS, services.connection.urls, name, VECTORS[:50]) as seen:
        for mark in range(1, RACES + 1):
            action = Action(run_index, settings_of(name, source(tmp_path, mark)))
            outcomes = racers.race(action, action)

            winner, loser = sorted(outcomes, key=lambda outcome: outcome.error is not None)
            assert winner.error is None, outcomes
            assert isinstance(loser.error, LeaseHeldError), outcomes
            assert_told(loser, winner)
            assert index_behind(client, name) == winner.result.index
            assert winner.result.documents == ROWS
            assert client.count(index=name, query={"term": {"mark": mark}})["count"] == ROWS
            retire(RetireSettings(name=name, keep=1, grace_seconds=0), services)
    left = builds_of(client, name)
    assert len(left) == 2
    indices = client.indices.get(index=f"airlsh-{name}-*", expand_wildcards="all")
    assert set(indices) == {physical_index(name, build) for build in left}
    assert_undisturbed(seen, builds=2)
    print(f"{RACES} races; {sum(each.searches for each in seen)} searches")
