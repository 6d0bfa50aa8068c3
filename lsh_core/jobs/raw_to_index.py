"""Between raw rows and an index: the vectors, and a model of them, which may be there already."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lsh_core.elastic.cluster import answering_client
from lsh_core.elastic.refusals import errors_named
from lsh_core.errors import ModelMismatchError, NotFoundError
from lsh_core.jobs.services import Services
from lsh_core.jobs.train import ModelFacts, train
from lsh_core.models.store import StoredModel, list_models
from lsh_core.settings import RawToIndexSettings


@dataclass(frozen=True)
class ChosenModel:
    """The model to index with: one that was there (`reused`), or the report of a new one."""

    model: ModelFacts
    reused: bool

    def to_json(self) -> dict[str, Any]:
        """Return the fields of the model, and ``reused``."""
        return {**self.model.to_json(), "reused": self.reused}


@errors_named()
def train_or_reuse(settings: RawToIndexSettings, services: Services, *, fingerprint: str) -> ChosenModel:
    """Train a model of the vectors in `settings.output`, or take the newest of the name if it is one of their encoder.

    Parameters
    ----------
    fingerprint
        Of the encoder that was asked for.

    Raises
    ------
    NotFoundError
        None is to be trained, and there is none of this encoder.
    ModelMismatchError
        The output has come to hold vectors of another encoder.
    InputError
        As `train` raises.
    """
    from lsh_core.sources.dataset import open_dataset

    encoder = open_dataset(settings.output).encoder
    if encoder is None:
        raise NotFoundError("encoder", settings.output, "its files do not say what made their vectors")
    if encoder.fingerprint != fingerprint:
        raise ModelMismatchError(f"encoder {encoder.name} {fingerprint[:12]}", f"encoder {encoder}", settings.output)
    newest = next(iter(list_models(answering_client(services.connection), settings.name)), None)
    fits = newest is not None and (newest.facts.get("encoder") or {}).get("fingerprint") == encoder.fingerprint
    if newest is not None and fits and settings.train != "always":
        return ChosenModel(_facts(newest), reused=True)
    if settings.train == "never":
        raise NotFoundError("model", settings.name, f"there is none of encoder {encoder}, and none is to be trained")
    return ChosenModel(train(settings.training(), services), reused=False)


def _facts(model: StoredModel) -> ModelFacts:
    return ModelFacts(
        model_id=model.model_id,
        fingerprint=model.fingerprint,
        model=model.model,
        metric=model.metric,
        dims=model.dims,
    )
