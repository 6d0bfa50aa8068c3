"""Which model is shown."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.leases import Caller
from lsh_core.elastic.system_indices import MODELS
from lsh_core.errors import NotFoundError
from lsh_core.jobs import models
from lsh_core.jobs.services import Services
from lsh_core.models.hyperplane import Hyperplane
from lsh_core.models.store import store_model
from tests.fakes.memory_server import Answer, MemoryServer


class Forgiving(MemoryServer):
    """A server whose missing models are an answer, as with ``ignore_status=404``."""

    def get(self, *, index: str, id: str) -> Answer:
        return super().get(index=index, id=id) if self.exists(index=index, id=id) else Answer({"found": False})


def test_a_model_is_shown_by_its_id_and_the_newest_by_its_name() -> None:
    server: Any = Forgiving()
    services = Services(server, None, Caller(None, "a test"))
    first, second = (
        store_model(
            Cluster(server), "two-words", Hyperplane(tables=2, bits=bits).fit(np.eye(8, 3, dtype=np.float32)), {}
        )
        for bits in (2, 3)
    )
    for day, model in enumerate((first, second), 1):
        server.update(index=MODELS, id=model.model_id, doc={"created_at": f"2026-01-0{day}T00:00:00.000+00:00"})
    assert models.show_model(first.model_id, services).model_id == first.model_id
    assert models.show_model("two-words", services).model_id == second.model_id
    with pytest.raises(NotFoundError, match="no model 'two': `airlsh models list` shows"):
        models.show_model("two", services)
