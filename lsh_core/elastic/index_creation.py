"""Creates indices independently of the cluster's index templates."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from functools import partial
from typing import Any

from elasticsearch import ApiError, BadRequestError, Elasticsearch

from lsh_core.elastic.capacity import SHARDS, SHARDS_REMEDY
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.index_templates import read_inherited
from lsh_core.elastic.inheritance import additions, conflicts, shielded
from lsh_core.elastic.refusals import reason_of, refusal_of
from lsh_core.errors import AccessError, CapacityError, IndexTemplateError

logger = logging.getLogger(__name__)

_NOT_OFFERED = (404, 405)
_HIGHEST_PRIORITY = 2**53
_MAX_NAMED = 5
_TOO_MANY_SHARDS = "shards open"
_EXISTS = "resource_already_exists_exception"
_MAX_SECONDS = 60.0


def create_index(cluster: Cluster, index: str, body: Mapping[str, Any], **options: Any) -> bool:
    """Create `index` with `body`, shielded from the cluster's index templates; return False if it exists.

    The result may also be False for an index that this call created, if the answer of the server was lost.

    Raises
    ------
    IndexTemplateError
        An index template has parts that cannot be overridden; nothing is created.
    CapacityError
        The cluster's limit of shards would be exceeded.
    RequestRefusedError
        The server refuses the body.
    """
    ready = creatable(cluster, index, body)
    return cluster.run(partial(_create, index=index, body={**options, **ready}), longest_seconds=_MAX_SECONDS)


def creatable(cluster: Cluster, index: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return `body` as `create_index` sends it.

    A template that would break the index raises `IndexTemplateError`.
    """
    inherited = read_inherited(cluster, index)
    if found := conflicts(body, inherited):
        raise IndexTemplateError(index, inherited.title, found, inherited.remedy)
    if added := additions(body, inherited):
        named = ", ".join(added[:_MAX_NAMED]) + (", ..." if len(added) > _MAX_NAMED else "")
        logger.warning(
            "%s adds %d fields to %s that stay empty: %s. %s",
            inherited.title, len(added), index, named, inherited.remedy,
        )  # fmt: skip
    return shielded(body, inherited)


def try_body(cluster: Cluster, index: str, body: Mapping[str, Any]) -> None:
    """Let the server validate the settings and mapping of an index without creating it.

    This needs the privilege to manage index templates. Without it, nothing is validated.

    Raises
    ------
    RequestRefusedError
        The server would refuse to create the index.
    """
    template = {
        "settings": {key: value for key, value in body["settings"].items() if value is not None},
        "mappings": body["mappings"],
    }
    cluster.run(partial(_simulate, index=index, template=template), longest_seconds=_MAX_SECONDS)


def _create(client: Elasticsearch, *, index: str, body: Mapping[str, Any]) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # The warning is about matching legacy templates.
            client.indices.create(index=index, **body)
    except BadRequestError as error:
        if error.error == _EXISTS:
            return False
        reason = reason_of(error)
        if _TOO_MANY_SHARDS not in reason:
            raise
        raise CapacityError(SHARDS, reason.partition("; for more")[0], SHARDS_REMEDY) from error
    return True


def _simulate(client: Elasticsearch, *, index: str, template: Mapping[str, Any]) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # The warning is about matching legacy templates.
            client.indices.simulate_template(index_patterns=[index], priority=_HIGHEST_PRIORITY, template=template)
    except AccessError:
        return
    except ApiError as error:
        if error.status_code in _NOT_OFFERED:
            return
        raise refusal_of(error, f"the index {index}") from error
