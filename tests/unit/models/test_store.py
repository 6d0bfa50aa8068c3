"""Which models are one, and which are two."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lsh_core.errors import ModelMismatchError, NotFoundError
from lsh_core.models import store
from lsh_core.models.fingerprint import fingerprint
from lsh_core.models.hyperplane import Hyperplane
from lsh_core.models.store import find_model, list_models, read_model, store_model
from tests.fakes.memory_server import Answer, MemoryServer
from tests.fakes.one_client import cluster_of

MODEL = Hyperplane(metric="l2", tables=2, bits=2).fit(np.eye(8, 3, dtype=np.float32))


def facts(source: str, encoder: str | None) -> dict[str, Any]:
    return {"source": source, "encoder": encoder and {"fingerprint": encoder}}


def test_the_same_model_of_two_encoders_is_two_and_neither_is_overwritten() -> None:
    client: Any = MemoryServer()
    plain, first, second = (
        store_model(cluster_of(client), "docs", MODEL, facts("a", each)) for each in (None, "f" * 64, "g" * 64)
    )
    assert plain.model_id == f"docs-{fingerprint(MODEL)[:12]}"
    assert len({plain.model_id, first.model_id, second.model_id}) == 3
    assert {plain.fingerprint, first.fingerprint, second.fingerprint} == {fingerprint(MODEL)}
    again = store_model(cluster_of(client), "docs", MODEL, facts("b", "f" * 64))
    assert again.model_id == first.model_id
    for each, encoder in ((plain, None), (first, "f" * 64), (second, "g" * 64)):
        assert find_model(cluster_of(client), "docs", each.model_id).facts == facts("a", encoder)


def test_all_models_are_listed_newest_first_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_PAGE", 2)
    client: Any = MemoryServer()
    ids = [store_model(cluster_of(client), "docs", MODEL, facts("a", each * 64)).model_id for each in "abcde"]
    store_model(cluster_of(client), "other", MODEL, facts("a", None))
    days = (3, 1, 3, 2, 3)
    for id, day in zip(ids, days, strict=True):
        client.update(index="airlsh-models", id=id, doc={"created_at": f"2026-01-0{day}T00:00:00.000+00:00"})
    of_day = {day: sorted(id for id, each in zip(ids, days, strict=True) if each == day) for day in days}
    listed = [model.model_id for model in list_models(cluster_of(client), "docs")]
    assert listed == [*of_day[3], *of_day[2], *of_day[1]]
    assert find_model(cluster_of(client), "docs").model_id == listed[0]
    assert len(list_models(cluster_of(client))) == 6
    assert list_models(cluster_of(client), "nothing") == []
    with pytest.raises(NotFoundError, match="no model of 'nothing'"):
        find_model(cluster_of(client), "nothing")


def test_a_model_of_an_older_format_is_refused() -> None:
    client: Any = MemoryServer()
    stored = store_model(cluster_of(client), "docs", MODEL, facts("a", None))
    client.update(index="airlsh-models", id=stored.model_id, doc={"format": 1})
    with pytest.raises(ModelMismatchError, match="stored by another version of airlsh: train it again"):
        find_model(cluster_of(client), "docs", stored.model_id)


class Forgiving(MemoryServer):
    """A server whose missing documents are an answer, as with ``ignore_status=404``."""

    def get(self, *, index: str, id: str) -> Answer:
        return super().get(index=index, id=id) if self.exists(index=index, id=id) else Answer({"found": False})


def test_a_model_is_read_whole_or_not_at_all() -> None:
    client: Any = Forgiving()
    stored = store_model(cluster_of(client), "docs", MODEL, facts("a", None))
    assert fingerprint(read_model(cluster_of(client), "docs", stored.model_id)) == fingerprint(MODEL)
    another: Any = Forgiving()
    store_model(cluster_of(another), "docs", MODEL, facts("a", None))
    another.delete(index="airlsh-models", id=f"{stored.model_id}:normals:0")
    with pytest.raises(ModelMismatchError, match=f"array normals of model {stored.model_id}: expected part 0"):
        read_model(cluster_of(another), "docs", stored.model_id)
