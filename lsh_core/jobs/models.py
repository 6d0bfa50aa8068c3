"""Models: list and show what was trained."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from lsh_core.elastic.cluster import answering_client
from lsh_core.elastic.refusals import errors_named
from lsh_core.errors import NotFoundError
from lsh_core.jobs.services import Services
from lsh_core.models import store


@errors_named()
def list_models(name: str | None, services: Services) -> list[dict[str, Any]]:
    """Return what is known of the models of `name`, or of all, newest first.

    Raises
    ------
    NotFoundError
        There is no model of `name`.
    """
    found = store.list_models(answering_client(services.connection), name)
    if name is not None and not found:
        raise store.no_model(name)
    return [asdict(model) for model in found]


@errors_named()
def show_model(model_id: str, services: Services) -> dict[str, Any]:
    """Return all that is known of one model without its arrays: the model of an id, or the newest of a name.

    Raises
    ------
    NotFoundError
        There is no such model, and no model of such a name.
    """
    client = answering_client(services.connection)
    try:
        return asdict(store.find_model(client, model_id.rpartition("-")[0], model_id))
    except NotFoundError:
        of_name = store.list_models(client, model_id)
        if not of_name:
            raise
    return asdict(of_name[0])
