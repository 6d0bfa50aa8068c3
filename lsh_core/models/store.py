"""Stores models in Elasticsearch: immutable, found by name, checked by sha256.

A model is one header and, for each array, parts of at most 4 MiB. The header is written last, so that every model that
is found is whole. The id is the name, and a hash of the model and of the encoder of its vectors, if known. The same
model of the same encoder is stored once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.sorted_hits import sorted_hits
from lsh_core.elastic.system_indices import MODELS, ensure_system_index
from lsh_core.elastic.text_values import is_document_id
from lsh_core.errors import ModelMismatchError, NotFoundError
from lsh_core.models.contract import LSHModel
from lsh_core.models.fingerprint import fingerprint
from lsh_core.models.registry import load_model
from lsh_core.models.serialisation import Part, dump_array, join_parts, load_array, split_parts

FORMAT = 3
"""Format of a stored model; a model of another format is refused.

Format 1 held the name of its model as ``kind``. Format 2 had no ``soar``.
"""
_ID_CHARACTERS = 12
_PAGE = 1000


@dataclass(frozen=True)
class StoredModel:
    """Header of a stored model, without arrays.

    Attributes
    ----------
    model
        Name of its class in the registry, such as ``ivf``.
    facts
        Facts that training recorded beside the model: rows of the source, seconds, settings.
    """

    model_id: str
    name: str
    fingerprint: str
    model: str
    metric: str
    dims: int
    created_at: str
    params: Mapping[str, Any]
    arrays: tuple[str, ...]
    facts: Mapping[str, Any]


def store_model(cluster: Cluster, name: str, model: LSHModel, facts: Mapping[str, Any]) -> StoredModel:
    """Store a fitted model under `name`; storing it again makes it the newest.

    Parameters
    ----------
    facts
        Facts of the training; ``encoder`` holds the encoder of the vectors.
    """
    ensure_system_index(cluster, MODELS)
    digest = fingerprint(model)
    model_id = f"{name}-{_own_digest(digest, facts)[:_ID_CHARACTERS]}"
    if cluster.run(lambda client: client.exists(index=MODELS, id=model_id)):
        cluster.run(lambda client: client.update(index=MODELS, id=model_id, doc={"created_at": _now()}, refresh=True))
        return find_model(cluster, name, model_id)
    params, arrays = model.state()
    counts = dict.fromkeys(arrays, 0)
    for array_name, array in arrays.items():
        for part in split_parts(dump_array(array)):
            _write_part(cluster, model_id, array_name, part)
            counts[array_name] += 1
    header = {"params": params, "arrays": counts, "facts": dict(facts)}
    cluster.run(
        lambda client: client.index(
            index=MODELS,
            id=model_id,
            document={
                "model_id": model_id,
                "name": name,
                "fingerprint": digest,
                "model": model.name,
                "format": FORMAT,
                "created_at": _now(),
                "header": header,
            },
            refresh=True,
        )
    )
    return find_model(cluster, name, model_id)


def list_models(cluster: Cluster, name: str | None = None) -> list[StoredModel]:
    """Return the models of `name`, or all, newest first, without other formats."""
    _make_visible(cluster)
    # Ids never change, whereas a model that is stored again has another time.
    hits = sorted_hits(cluster, MODELS, _header_query(name), sort=[{"model_id": "asc"}], page=_PAGE)
    return sorted((_stored(hit["_source"]) for hit in hits), key=lambda model: model.created_at, reverse=True)


def newest_model(cluster: Cluster, name: str) -> StoredModel | None:
    """Return the newest model of `name`; None without models."""
    _make_visible(cluster)
    sort = [{"created_at": "desc"}, {"model_id": "asc"}]
    hits = cluster.search(MODELS, query=_header_query(name), sort=sort, size=1)["hits"]["hits"]
    return _stored(hits[0]["_source"]) if hits else None


def find_model(cluster: Cluster, name: str, model_id: str | None = None) -> StoredModel:
    """Return the model `model_id` of `name`, or its newest.

    Raises
    ------
    NotFoundError
        No such model exists; the message says how to train one.
    """
    if model_id is None:
        newest = newest_model(cluster, name)
        if newest is None:
            raise no_model(name)
        return newest
    return _stored(_header(cluster, name, model_id))


def _header(cluster: Cluster, name: str, model_id: str) -> Mapping[str, Any]:
    """Return the header of the model `model_id` of `name`."""
    found: Mapping[str, Any] = {}
    if is_document_id(model_id):
        found = cluster.run(lambda client: client.options(ignore_status=404).get(index=MODELS, id=model_id)).body
    if not found.get("found") or "header" not in found["_source"]:
        raise NotFoundError("model", model_id, "`airlsh models list` shows those that there are")
    if (format_ := found["_source"].get("format", 1)) != FORMAT:
        where = f"model {model_id}, stored by another version of airlsh: train it again"
        raise ModelMismatchError(f"a model of format {FORMAT}", f"format {format_}", where)
    document: Mapping[str, Any] = found["_source"]
    if document["name"] != name:
        raise ModelMismatchError(f"a model of {name}", f"{model_id}, trained for {document['name']}", f"index {name}")
    return document


def no_model(name: str) -> NotFoundError:
    """Return the error for a name without a model."""
    hint = f"train one: airlsh train {name} --source ...; `airlsh models list` shows all models"
    return NotFoundError("model of", name, hint)


@lru_cache(maxsize=4)
def read_model(cluster: Cluster, name: str, model_id: str) -> LSHModel:
    """Read a whole model, and cache it in this process: stored models never change.

    Raises
    ------
    NotFoundError
        There is no such model.
    ModelMismatchError
        The content differs from what was stored.
    """
    document = _header(cluster, name, model_id)
    stored, arrays = _stored(document), {}
    for array_name, count in document["header"]["arrays"].items():
        parts = [_read_part(cluster, model_id, array_name, number) for number in range(count)]
        arrays[array_name] = load_array(join_parts(parts, f"array {array_name} of model {model_id}"))
    model = load_model(stored.model, stored.params, arrays)
    if (found := fingerprint(model)) != stored.fingerprint:
        raise ModelMismatchError(stored.fingerprint, found, f"model {model_id} as read from {MODELS}")
    return model


def _make_visible(cluster: Cluster) -> None:
    """Make all stored models visible to searches."""
    ensure_system_index(cluster, MODELS)
    cluster.run(lambda client: client.indices.refresh(index=MODELS))


def _header_query(name: str | None) -> dict[str, Any]:
    """Return the query for the headers of the models of `name`, or of all."""
    wanted: list[dict[str, Any]] = [{"exists": {"field": "name"}}, {"term": {"format": FORMAT}}]
    if name is not None:
        wanted.append({"term": {"name": name}})
    return {"bool": {"filter": wanted}}


def _write_part(cluster: Cluster, model_id: str, array: str, part: Part) -> None:
    document = {"model_id": model_id, "array": array, "part": part.number, **part.to_document()}
    id = _part_id(model_id, array, part.number)
    cluster.run(lambda client: client.index(index=MODELS, id=id, document=document))


def _read_part(cluster: Cluster, model_id: str, array: str, number: int) -> Part:
    id = _part_id(model_id, array, number)
    found = cluster.run(lambda client: client.options(ignore_status=404).get(index=MODELS, id=id)).body
    if not found.get("found"):
        raise ModelMismatchError(f"part {number}", "nothing", f"stored parts of array {array} of model {model_id}")
    return Part.from_document(number, found["_source"])


def _own_digest(digest: str, facts: Mapping[str, Any]) -> str:
    """Return a digest with the encoder: two encoders may make equal vectors, as with a larger token limit."""
    encoder = facts.get("encoder")
    return hashlib.sha256(f"{digest} {encoder['fingerprint']}".encode()).hexdigest() if encoder else digest


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _part_id(model_id: str, array: str, number: int) -> str:
    return f"{model_id}:{array}:{number}"


def _stored(document: Mapping[str, Any]) -> StoredModel:
    header = document["header"]
    return StoredModel(
        model_id=document["model_id"],
        name=document["name"],
        fingerprint=document["fingerprint"],
        model=document["model"],
        metric=header["params"]["params"]["metric"],
        dims=header["params"]["dims"],
        created_at=document["created_at"],
        params=header["params"],
        arrays=tuple(header["arrays"]),
        facts=header["facts"],
    )
