"""Models: lists and shows trained models."""

from __future__ import annotations

from lsh_core.elastic.cluster import answering_client
from lsh_core.elastic.refusals import errors_named
from lsh_core.jobs.services import Services
from lsh_core.models import store
from lsh_core.models.store import StoredModel


@errors_named()
def list_models(name: str | None, services: Services) -> list[StoredModel]:
    """Return the models of `name`, or all, newest first.

    Raises
    ------
    NotFoundError
        There is no model of `name`.
    """
    found = store.list_models(answering_client(services.connection), name)
    if name is not None and not found:
        raise store.no_model(name)
    return found


@errors_named()
def show_model(model_id: str, services: Services) -> StoredModel:
    """Return one model without its arrays."""
    name = model_id.rpartition("-")[0]
    return store.find_model(answering_client(services.connection), name, model_id)
