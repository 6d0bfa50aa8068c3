"""Train a model for freshly encoded vectors, or reuse an existing model.

A model is reused if it is the newest of the name and of the same encoder.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lsh_core.elastic.refusals import errors_named
from lsh_core.errors import ModelMismatchError, NotFoundError
from lsh_core.jobs.services import Services
from lsh_core.jobs.train import ModelFacts, train
from lsh_core.models.store import StoredModel, newest_model
from lsh_core.settings import RawToIndexSettings


@dataclass(frozen=True)
class ChosenModel:
    """Model to index with: a reused model, or the report of a new model."""

    model: ModelFacts
    reused: bool

    def to_json(self) -> dict[str, Any]:
        """Return the fields of the model, and ``reused``."""
        return {**self.model.to_json(), "reused": self.reused}


@errors_named()
def train_or_reuse(settings: RawToIndexSettings, services: Services, *, fingerprint: str) -> ChosenModel:
    """Train a model of the vectors in `settings.output`, or reuse the newest model.

    The newest model of the name is reused if it is of the same encoder.

    Parameters
    ----------
    fingerprint
        Fingerprint of the encoder in the settings.

    Raises
    ------
    NotFoundError
        No model is to be trained, and there is no model of this encoder.
    ModelMismatchError
        The output holds vectors of another encoder by now.
    InputError
        As in `train`.
    """
    from lsh_core.sources.dataset import open_dataset

    encoder = open_dataset(settings.output).encoder
    if encoder is None:
        raise NotFoundError("encoder", settings.output, "its files do not say what made their vectors")
    if encoder.fingerprint != fingerprint:
        raise ModelMismatchError(f"encoder {encoder.name} {fingerprint[:12]}", f"encoder {encoder}", settings.output)
    newest = newest_model(services.cluster, settings.name)
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
