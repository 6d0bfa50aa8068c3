"""Who is live, on a real node: rivals, rollbacks, deletions and fences, over tiny builds that are made by hand."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lsh_core.builds.aliases import live_index, swap
from lsh_core.builds.names import ledger_alias, live_write_alias, physical_index
from lsh_core.builds.records import BuildRecords, BuildState
from lsh_core.builds.write_fence import allow_writes
from lsh_core.elastic.connection import Connection
from lsh_core.elastic.leases import ALIAS, BUILD, Caller, hold
from lsh_core.errors import AirlshError, LeaseHeldError, NotFoundError, PromotionConflictError
from lsh_core.jobs import promotion
from lsh_core.jobs.builds import list_builds, promote_build, rollback
from lsh_core.jobs.index import run_index
from lsh_core.jobs.promotion import catch_up, make_live
from lsh_core.jobs.retention import abandon, retire
from lsh_core.jobs.services import Services
from lsh_core.jobs.train import train
from lsh_core.live.live_fence import fence_live, moving_actions, read_live_fence, repair_live
from lsh_core.search.vector_index import VectorIndex
from lsh_core.settings import (
    AbandonSettings,
    IndexSettings,
    PromoteSettings,
    RetireSettings,
    RollbackSettings,
    TrainSettings,
)
from tests.fakes.parquet_sources import clustered, write_source

ROUNDS = 10
NAME = "promoted"
LIVE_WAYS = live_write_alias(physical_index(NAME, "*"))
"""The aliases of all builds that live changes may be written through."""
VECTORS = clustered(300, 8)

Make = Callable[..., str]


@pytest.fixture(scope="module")
def services(one_node: Any, dask_cluster: Any) -> Services:
    return Services(Connection(tuple(one_node.urls)), dask_cluster.address, Caller(None, "the tests"))


@pytest.fixture(scope="module")
def make(services: Services, tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Make a verified build of the module's name: the mapping of a real one, and a few rows."""
    folder: Path = tmp_path_factory.mktemp("promoted")
    source = write_source(folder / "rows.parquet", list(range(300)), VECTORS)
    train(TrainSettings(name=NAME, source=source, metric="l2"), services)
    first = run_index(IndexSettings(name=NAME, source=source, promote=False), services)
    client = services.connection.client()
    mappings = client.indices.get_mapping(index=first.index)[first.index]["mappings"]
    row = client.search(index=first.index, size=1, source={"exclude_vectors": False})["hits"]["hits"][0]["_source"]
    number = itertools.count()

    def made(*, state: BuildState = BuildState.VERIFIED, replicas: int = 0) -> str:
        build = f"hand-{next(number):03}"
        index = physical_index(NAME, build)
        meta = {**mappings["_meta"], "airlsh": {**mappings["_meta"]["airlsh"], "build": build}}
        client.indices.create(
            index=index,
            settings={"number_of_shards": 1, "number_of_replicas": replicas},
            mappings={**mappings, "_meta": meta},
            aliases={f"airlsh-c-{build}-0": {"is_hidden": True}},
        )
        client.index(index=index, id="7", document=row, refresh=True)
        BuildRecords(services.cluster).start(NAME, build, index=index, state=state, model_id=first.model_id)
        return build

    return made


@pytest.fixture
def live(services: Services, make: Make) -> str:
    """A build that is live when the test starts."""
    build = make()
    promote_build(PromoteSettings(name=NAME, build=build), services)
    return build


def outcome_of(action: Callable[[], Any], together: threading.Barrier) -> AirlshError | None:
    together.wait(20)
    try:
        action()
    except (PromotionConflictError, LeaseHeldError) as refused:
        return refused
    return None


def at_once(*actions: Callable[[], Any]) -> list[AirlshError | None]:
    together = threading.Barrier(len(actions))
    with ThreadPoolExecutor(len(actions)) as pool:
        return list(pool.map(lambda action: outcome_of(action, together), actions))


def behind(services: Services, alias: str) -> list[str]:
    return list(services.connection.client().indices.get_alias(name=alias))


def named(services: Services, who: str, identity: str | None = None) -> Services:
    return replace(services, caller=Caller(identity, who))


def test_rivals_leave_one_index_and_the_refused_one_is_told_why(services: Services, make: Make, live: str) -> None:
    first, second = make(), make()
    promote_build(PromoteSettings(name=NAME, build=second), services)  # So that there is a build to go back to.
    refusals: list[AirlshError] = []
    for turn in range(ROUNDS):
        target, rival = (first, second) if turn % 2 else (second, first)

        def promote(build: str = target) -> None:
            promote_build(PromoteSettings(name=NAME, build=build), named(services, "Ann"))

        def other(build: str = rival, back: bool = turn % 3 == 0) -> None:
            if back:
                rollback(RollbackSettings(name=NAME), named(services, "Ben"))
            else:
                promote_build(PromoteSettings(name=NAME, build=build), named(services, "Ben"))

        outcomes = at_once(promote, other)

        assert None in outcomes, outcomes
        assert len(behind(services, NAME)) == 1
        assert behind(services, LIVE_WAYS) == behind(services, NAME)
        refusals += filter(None, outcomes)
    assert refusals
    for refused in refusals:
        if isinstance(refused, LeaseHeldError):
            assert refused.holder in ("Ann", "Ben")
        else:
            assert "was promoted after this run was planned" in str(refused)


def test_a_run_promotes_from_what_was_live_at_its_start_only(services: Services, make: Make, live: str) -> None:
    mine, theirs = make(), make()
    expected = physical_index(NAME, live)
    promote_build(PromoteSettings(name=NAME, build=theirs), services)

    with pytest.raises(PromotionConflictError) as caught:
        make_live(NAME, mine, services, expected=expected)
    assert f"leads to {theirs}, which was promoted after" in str(caught.value)
    assert str(caught.value).endswith(f"when it led to {live}")
    assert f"airlsh builds promote {NAME} --build {mine}" in caught.value.__notes__[0]
    # Already there: a repeated step is a success, whatever was live before.
    assert make_live(NAME, theirs, services, expected=expected) == physical_index(NAME, theirs)


def test_a_rollback_of_one_run_is_one_move(services: Services, make: Make, live: str) -> None:
    newer = make()
    promote_build(PromoteSettings(name=NAME, build=newer), services)
    run = named(services, "DAG run", "rollback_index/run.1")

    answer = rollback(RollbackSettings(name=NAME), run)
    assert (answer.build, answer.previous_index) == (live, physical_index(NAME, newer))
    assert rollback(RollbackSettings(name=NAME), run) == answer
    assert behind(services, NAME) == [physical_index(NAME, live)]
    # A person who asks again means it.
    assert rollback(RollbackSettings(name=NAME), services).build == newer
    # A run that is cleared after that has not what it was asked for any more.
    with pytest.raises(
        PromotionConflictError, match=f"this run moved it to {physical_index(NAME, live)}, and it was moved again"
    ):
        rollback(RollbackSettings(name=NAME), run)


def test_whoever_is_refused_is_told_who_holds_the_lease(services: Services, make: Make, live: str) -> None:
    build = make()
    ann = Caller("ann", "Ann on laptop")
    with (
        hold(services.cluster, NAME, ALIAS, ann),
        pytest.raises(LeaseHeldError, match="Ann on laptop holds the lease 'alias'"),
    ):
        promote_build(PromoteSettings(name=NAME, build=build), services)
    with hold(services.cluster, NAME, BUILD, ann):
        told = retire(RetireSettings(name=NAME), services)
        assert told.retired == ()
        assert "Ann on laptop holds the lease 'build'" in told.skipped["*"]
        with pytest.raises(LeaseHeldError, match="Ann on laptop holds the lease 'build'"):
            abandon(AbandonSettings(name=NAME, build=build), services)
    assert behind(services, NAME) == [physical_index(NAME, live)]


def test_replicas_are_waited_for_only_on_request(services: Services, make: Make, live: str) -> None:
    build = make(replicas=1)  # One node: its replica is never there.
    asked = PromoteSettings(name=NAME, build=build, wait_green=True, wait_green_seconds=1)
    with pytest.raises(PromotionConflictError, match="is yellow after 1 s, 1 copies"):
        promote_build(asked, services)
    assert behind(services, NAME) == [physical_index(NAME, live)]
    assert promote_build(asked.model_copy(update={"wait_green": False}), services).live.endswith(build)
    services.connection.client().indices.put_settings(
        index=physical_index(NAME, build), settings={"number_of_replicas": 0}
    )


def test_a_build_that_cannot_be_searched_is_not_promoted(services: Services, make: Make, live: str) -> None:
    client, build = services.connection.client(), make()
    client.indices.put_mapping(index=physical_index(NAME, build), meta={"other": 1})
    with pytest.raises(NotFoundError, match="its _meta does not say"):
        promote_build(PromoteSettings(name=NAME, build=build), services)
    assert behind(services, NAME) == [physical_index(NAME, live)]
    client.indices.delete(index=physical_index(NAME, build))  # `retire` would rightly refuse to.


def test_a_swap_whose_fence_was_taken_away_is_refused(services: Services, make: Make, live: str) -> None:
    old, new = physical_index(NAME, live), physical_index(NAME, make())
    with hold(services.cluster, NAME, ALIAS, Caller("dead", "a promoter that sleeps")) as lease:
        epoch = lease.epoch
        assert fence_live(services.cluster, NAME, old, epoch)
        assert not behind(services, LIVE_WAYS)
    with hold(services.cluster, NAME, ALIAS, Caller("writer", "a writer that waited")) as lease:
        assert repair_live(services.cluster, NAME, lease.epoch)
    assert behind(services, LIVE_WAYS) == [old]

    assert not swap(services.cluster, NAME, expected=old, new=new, along=moving_actions(NAME, old, new, epoch))
    assert behind(services, NAME) == behind(services, LIVE_WAYS) == [old]


def test_a_live_build_without_a_fence_is_given_one(services: Services, live: str) -> None:
    client, index = services.connection.client(), physical_index(NAME, live)
    client.indices.delete_alias(index=index, name=live_write_alias(index))
    assert repair_live(services.cluster, NAME, 1)
    assert behind(services, NAME) == behind(services, LIVE_WAYS) == [index]


def test_a_promotion_that_fails_takes_its_fence_along(
    services: Services, make: Make, live: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, build = physical_index(NAME, live), make()
    calls: list[bool] = []

    def broken_tail(name: str, build: str, services: Services) -> int:
        calls.append(bool(behind(services, LIVE_WAYS)))
        if len(calls) == 2:
            raise PromotionConflictError(NAME, "the tail was not taken")
        return catch_up(name, build, services)

    monkeypatch.setattr(promotion, "catch_up", broken_tail)
    with pytest.raises(PromotionConflictError, match="the tail was not taken"):
        make_live(NAME, build, services, expected=old)
    assert calls == [True, False]  # The bulk before the fence, the tail behind it.
    fence = read_live_fence(services.cluster, NAME, old)
    assert fence is not None
    assert fence.epoch is None


def test_readers_go_on_while_builds_are_promoted_and_retired(services: Services, make: Make, live: str) -> None:
    stop, seen, errors = threading.Event(), set(), []

    def read() -> None:
        searcher = VectorIndex(NAME, services.connection)
        while not stop.is_set():
            try:
                seen.add(searcher.search(VECTORS[7], k=1).build)
            except AirlshError as error:
                errors.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for _ in range(6):
            promote_build(PromoteSettings(name=NAME, build=make()), services)
            retire(RetireSettings(name=NAME, keep=1, grace_seconds=0), services)
    finally:
        stop.set()
        reader.join()
    assert not errors
    assert len(seen) > 1
    assert len(list_builds(NAME, services)) == 2


def test_an_abandoned_build_is_gone_with_all_that_led_to_it(services: Services, make: Make, live: str) -> None:
    client = services.connection.client()
    build = make(state=BuildState.LOADING)
    index = physical_index(NAME, build)
    allow_writes(services.cluster, index, build, 1)
    with pytest.raises(PromotionConflictError, match=f"build {live} is live"):
        abandon(AbandonSettings(name=NAME, build=live), services)

    abandon(AbandonSettings(name=NAME, build=build), services)

    assert not client.indices.exists(index=index)
    assert not client.indices.exists_alias(name=ledger_alias(build, 1))
    with pytest.raises(NotFoundError):
        abandon(AbandonSettings(name=NAME, build=build), services)
    assert live_index(services.cluster, NAME) == physical_index(NAME, live)


def test_a_killed_runs_build_is_retired_after_the_grace_time(services: Services, make: Make, live: str) -> None:
    killed = make(state=BuildState.LOADING)
    assert killed in retire(RetireSettings(name=NAME, grace_seconds=0), services).kept
    assert killed in retire(RetireSettings(name=NAME, unfinished_grace_seconds=0), services).retired
