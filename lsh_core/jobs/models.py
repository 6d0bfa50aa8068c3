"""Models: lists and shows trained models."""

from __future__ import annotations

from lsh_core.elastic.refusals import errors_named
from lsh_core.errors import NotFoundError
from lsh_core.jobs.services import Services
from lsh_core.models import store
from lsh_core.models.store import StoredModel


@errors_named()
def list_models(name: str | None, services: Services) -> list[StoredModel]:
    """Return the models of `name`, or all models, newest first.

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
    found = store.list_models(services.cluster, name)
    if name is not None and not found:
        raise store.no_model(name)
    return found


@errors_named()
def show_model(model_id: str, services: Services) -> StoredModel:
    """Return one model without its arrays: the model of an id, or the newest of a name.

    Raises
    ------
    NotFoundError
        There is no model of this id, and none of this name.

    Examples
    --------
    >>> from lsh_core import VectorIndex, find_services, show_model
    >>> services = find_services("http://127.0.0.1:9200")
    >>> model_id = VectorIndex("packages", services.connection).build.field.model_id
    >>> show_model(model_id, services).metric
    'cosine'
    """
    cluster = services.cluster
    try:
        return store.find_model(cluster, model_id.rpartition("-")[0], model_id)
    except NotFoundError:
        newest = store.newest_model(cluster, model_id)
        if newest is None:
            raise
    return newest
