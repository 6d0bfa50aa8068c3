"""Turns the weights of a network into constants.

With constant weights TensorFlow folds normalisation layers into the convolutions before them. Networks for texts have
nothing to fold. (Figures: docs/decisions/features.md.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lsh_core.features.devices import tensorflow

MAX_BYTES = 2**30
"""Limit of a TensorFlow graph: two gigabytes."""


def frozen(model: Any) -> Callable[[Any], Any]:
    """Return `model` as a function with constant weights, for tracing by `tf.function`.

    A model of more than `MAX_BYTES` is returned unchanged.
    """
    trained = [np.asarray(variable) for variable in model.trainable_variables]
    others = [np.asarray(variable) for variable in model.non_trainable_variables]
    if sum(array.nbytes for array in (*trained, *others)) > MAX_BYTES:
        return lambda inputs: model(inputs, training=False)

    def call(inputs: Any) -> Any:
        constant = tensorflow().constant
        outputs, _ = model.stateless_call(
            [constant(array) for array in trained], [constant(array) for array in others], inputs, training=False
        )
        return outputs

    return call
