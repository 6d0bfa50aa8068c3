"""Models: list and show what was trained."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from lsh_core.elastic.cluster import answering_client
from lsh_core.elastic.refusals import errors_named
from lsh_core.jobs.services import Services
from lsh_core.models import store


@errors_named()
def list_models(name: str | None, services: Services) -> list[dict[str, Any]]:
    """Return what is known of the models of `name`, or of all, newest first.

    Raises
    ------
    NotFoundError
        There is no model of `name`.

    Examples
    --------
    >>> from lsh_core import find_services, list_models
    >>> services = find_services("http://127.0.0.1:9200")
    >>> len(list_models("packages", services)) > 0
    True
    """
    found = store.list_models(answering_client(services.connection), name)
    if name is not None and not found:
        raise store.no_model(name)
    return [asdict(model) for model in found]


@errors_named()
def show_model(model_id: str, services: Services) -> dict[str, Any]:
    """Return all that is known of one model without its arrays.

    Examples
    --------
    >>> from lsh_core import VectorIndex, find_services, show_model
    >>> services = find_services("http://127.0.0.1:9200")
    >>> model_id = VectorIndex("packages", services.connection).build.field.model_id
    >>> show_model(model_id, services)["metric"]
    'cosine'
    """
    name = model_id.rpartition("-")[0]
    return asdict(store.find_model(answering_client(services.connection), name, model_id))
