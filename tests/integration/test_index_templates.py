"""Index templates of a cluster with a past, on a real node: a build is right, or refused by the template's name."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from lsh_core.builds.aliases import live_index
from lsh_core.elastic.connection import Connection
from lsh_core.elastic.system_indices import ensure_system_index
from lsh_core.errors import IndexTemplateError
from lsh_core.jobs.index import run_index
from lsh_core.jobs.services import Services
from lsh_core.jobs.train import train
from lsh_core.search.vector_index import VectorIndex
from lsh_core.settings import IndexSettings, TrainSettings
from tests.fakes.parquet_sources import clustered, exact_ids, write_source

ROWS, DIMS = 60, 4
NAME = "templated"
IDS = [f"r{row}" for row in range(ROWS)]
VECTORS = clustered(ROWS, DIMS)


class Hostile(NamedTuple):
    """An index template, and the words with which a build under it is refused; none where the build is right."""

    template: dict[str, Any]
    refused: str = ""
    legacy: bool = False
    pattern: str = "airlsh-*"
    more: dict[str, Any] | None = None


def of_settings(settings: dict[str, Any], pattern: str = "airlsh-*") -> Hostile:
    return Hostile({"settings": settings}, pattern=pattern)


HARMLESS = {
    "default pipeline": of_settings({"index.default_pipeline": "gone"}, pattern="*"),
    "final pipeline": of_settings({"index.final_pipeline": "gone"}, pattern="*"),
    "five replicas": of_settings({"index.number_of_replicas": 5, "index.auto_expand_replicas": "0-all"}),
    "all copies active": of_settings({"index.write.wait_for_active_shards": "all"}),
    "allocation filter": of_settings(
        {"index.routing.allocation.require.foo": "bar", "index.routing.allocation.total_shards_per_node": 1}
    ),
    "tier of other nodes": of_settings({"index.routing.allocation.include._tier_preference": "data_cold"}),
    "blocks": of_settings({"index.blocks.write": True, "index.blocks.metadata": True, "index.blocks.read": True}),
    "synthetic source": of_settings({"index.mapping.source.mode": "synthetic"}),
    "logs": of_settings({"index.mode": "logsdb", "index.codec": "best_compression"}),
    "sorted": of_settings({"index.sort.field": ["ghost"], "index.sort.order": ["desc"]}),
    "small limits": of_settings(
        {
            "index.mapping.total_fields.limit": 2,
            "index.mapping.depth.limit": 1,
            "index.max_result_window": 5,
            "index.max_rescore_window": 5,
            "index.refresh_interval": "1h",
            "index.mapping.ignore_malformed": True,
        }
    ),
    "no source": Hostile({"mappings": {"_source": {"enabled": False}, "enabled": False, "subobjects": False}}),
    "other types": Hostile(
        {
            "mappings": {
                "dynamic": True,
                "dynamic_templates": [{"all": {"match": "*", "mapping": {"type": "keyword"}}}],
                "properties": {
                    "price": {"type": "keyword", "null_value": "none", "copy_to": "ghost"},
                    "embedding": {"type": "float"},
                    "airlsh": {"enabled": False},
                    "ghost": {"type": "text"},
                },
            }
        }
    ),
    "legacy settings": Hostile(
        {"settings": {"index.blocks.write": True}, "mappings": {"_routing": {"required": True}}}, legacy=True
    ),
    "component": Hostile({"composed_of": ["hostile-part"]}, more={"settings": {"index.blocks.read_only": True}}),
}
REFUSED = {
    "required routing": Hostile({"mappings": {"_routing": {"required": True}}}, "_routing.required"),
    "data streams only": Hostile({"data_stream": {}}, "data_stream"),
    "alias": Hostile({"aliases": {"everything": {"filter": {"term": {"price": 1}}}}}, "the alias 'everything'"),
    "parts of the source": Hostile({"mappings": {"_source": {"excludes": ["price"]}}}, "_source.excludes"),
    "runtime field": Hostile({"mappings": {"runtime": {"price": {"type": "keyword"}}}}, "runtime field 'price'"),
    "legacy field": Hostile(
        {"mappings": {"properties": {"price": {"type": "double", "null_value": 3}}}}, "'price' with null_value", True
    ),
}


@pytest.fixture(scope="module")
def services(one_node: Any, dask_cluster: Any) -> Services:
    return Services(Connection(tuple(one_node.urls)), dask_cluster.address)


@pytest.fixture(scope="module")
def settings(services: Services, tmp_path_factory: pytest.TempPathFactory) -> IndexSettings:
    prices = [None, *map(float, range(1, ROWS))]
    source = write_source(tmp_path_factory.mktemp("source") / "rows.parquet", IDS, VECTORS, price=prices)
    train(TrainSettings(name=NAME, source=source, metric="l2", lists=4), services)
    return IndexSettings(name=NAME, source=source, recall_queries=33)


@pytest.fixture
def hostile(services: Services, request: pytest.FixtureRequest) -> Iterator[Hostile]:
    """The template of the test's parameter, in force while the test runs."""
    client = services.connection.client().options(ignore_status=404)
    case: Hostile = request.param
    own = {key: value for key, value in case.template.items() if key in ("composed_of", "data_stream")}
    part = {key: value for key, value in case.template.items() if key not in own}
    try:
        if case.more:
            client.cluster.put_component_template(name="hostile-part", template=case.more)
        if case.legacy:
            from elasticsearch import ElasticsearchWarning

            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ElasticsearchWarning)  # That legacy templates are deprecated.
                client.indices.put_template(name="hostile", index_patterns=["airlsh-*"], **part)
        else:
            client.indices.put_index_template(
                name="hostile", index_patterns=[case.pattern], priority=7, template=part, **own
            )
        yield case
    finally:
        client.indices.delete_index_template(name="hostile")
        client.indices.delete_template(name="hostile")
        client.cluster.delete_component_template(name="hostile-part")


def by_name(cases: dict[str, Hostile]) -> Any:
    return pytest.mark.parametrize("hostile", list(cases.values()), ids=list(cases), indirect=True)


@by_name(HARMLESS)
def test_a_build_is_right_under_a_template_that_can_be_overridden(
    hostile: Hostile, services: Services, settings: IndexSettings
) -> None:
    client = services.connection.client()
    report = run_index(settings, services)
    assert report.documents == ROWS
    assert report.promoted
    assert report.dead_lettered == 0
    index = VectorIndex(NAME, services.connection)
    found = index.search(VECTORS[3], k=5, fields=["price"], probes=4)
    assert {hit.id for hit in found.neighbours} == exact_ids(IDS, VECTORS, VECTORS[3], 5)
    live = live_index(services.cluster, NAME)
    assert client.cluster.health(index=live)["unassigned_primary_shards"] == 0
    assert client.count(index=live, query={"term": {"price": 3.0}})["count"] == 1
    assert client.count(index=live, query={"exists": {"field": "price"}})["count"] == ROWS - 1
    read_back = client.get(index=live, id="r3", source_exclude_vectors=False)["_source"]
    assert read_back["price"] == 3.0
    assert read_back["embedding"]
    index.upsert([{"id": "r3", "embedding": VECTORS[3].tolist(), "price": 3.0}], refresh=True)
    assert client.get(index=live, id="r3")["_version"] > 1


@by_name(REFUSED)
def test_a_template_that_cannot_be_overridden_is_named_before_anything_is_written(
    hostile: Hostile, services: Services, settings: IndexSettings
) -> None:
    client = services.connection.client()
    before = set(client.indices.get(index="airlsh-*"))
    with pytest.raises(IndexTemplateError, match="index template hostile") as refused:
        run_index(settings, services)
    assert hostile.refused in str(refused.value)
    assert "PUT _index_template/airlsh" in str(refused.value)
    assert set(client.indices.get(index="airlsh-*")) == before


@by_name({**HARMLESS, **REFUSED})
def test_a_state_index_is_right_under_a_template_or_refused(hostile: Hostile, services: Services) -> None:
    client = services.connection.client()
    index = "airlsh-partitions"
    client.indices.delete(index=index, ignore_unavailable=True)
    if hostile.refused and "price" not in hostile.refused:
        with pytest.raises(IndexTemplateError, match="index template hostile"):
            ensure_system_index(services.cluster, index)
        assert not client.indices.exists(index=index)
        return
    ensure_system_index(services.cluster, index)
    client.index(index=index, id="one", document={"name": "one", "rows": 3}, refresh=True, timeout="5s")
    assert client.get(index=index, id="one")["_source"] == {"name": "one", "rows": 3}
    assert client.count(index=index, query={"term": {"rows": 3}})["count"] == 1
    client.indices.delete(index=index)
