"""Contract of an LSH model: scikit-learn's estimator, with tokens as its output."""

from __future__ import annotations

import hashlib
import inspect
from abc import ABC, abstractmethod
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

from lsh_core.backends import BACKENDS, Backend, choose_backend, require_backend
from lsh_core.built_in import HASH_BACKEND
from lsh_core.errors import ModelMismatchError, SettingsError, VectorError
from lsh_core.knobs import Knob
from lsh_core.metrics import metric_named
from lsh_core.metrics.contract import Metric
from lsh_core.models.arrays import Array, Float32Array, Int64Array
from lsh_core.models.effort import Effort
from lsh_core.models.threads import one_blas_thread

DTYPE = "float32"
SAMPLE_ROWS = 20_000
SAMPLE_BYTES = 64 * 2**20
MIN_SEED, MAX_SEED = 0, 2**32 - 1


class RowCodes(NamedTuple):
    """Tokens of rows.

    Attributes
    ----------
    tokens : (n, tokens_per_row) int64
        Tokens that each row is indexed under.
    near : (n, near) int64 or None
        Lists that a query with the row's vector visits, most promising first; None for models without lists.
    beyond_norm
        Number of rows beyond the trained norm, under metrics that have one. They are hashed as if they had the trained
        norm, and are found less reliably.
    """

    tokens: Int64Array
    near: Int64Array | None
    beyond_norm: int = 0


class LSHModel(ABC):
    """Contract of a model.

    ``__init__`` only stores its arguments. :meth:`fit` checks them, learns from a sample and returns the model. Learned
    attributes end in ``_``, and a second fit discards the first. The same sample, seed and backend give the same model,
    byte for byte, for any number of threads.

    Parameters
    ----------
    metric
        Name of a metric: ``"l2"``, ``"cosine"``, ``"dot"``, or one that a package registers.
    seed
        0 to 2³² - 1.

    Attributes
    ----------
    backend_
        Library that computes the tokens of rows: ``"numpy"``, or ``"tensorflow"`` where a model supports and requests
        it. Probing always uses NumPy.
    versions_
        Versions of the libraries that made the model.
    longest_
        Trained norm: length of the sample's longest row, under metrics that need it.

    Notes
    -----
    Vectors reach `_learn`, `_encode` and `_probe` prepared by the metric (see :mod:`lsh_core.metrics.contract`): under
    ``cosine`` with unit length, under ``dot`` with one component more than `dims`. Under a metric with `by_product` all
    rows have the same length, and the best rows of a query are those with the largest inner product. For queries,
    models then compare products instead of distances. Under a metric with `by_angle` planes go through the origin.

    A fit always computes with NumPy, so that all backends learn the same arrays. Still, the encoding backend is part of
    the model and its fingerprint: otherwise a row within rounding of a border could get one token in a load and another
    in an upsert. Queries are always probed with NumPy: TensorFlow in a search would cost seconds of import, and memory,
    for the hash of one vector. A few rows in a million lie within rounding of a border. A query still finds them
    through other tables, or through the next lists (spill and several probes).
    """

    name: ClassVar[str]
    """Name in settings, on the command line, and in stored models and builds."""
    summary: ClassVar[str]
    """Description in a few words, for forms and help."""
    knobs: ClassVar[tuple[Knob, ...]] = ()
    """Arguments of ``__init__`` beside `metric` and `seed`."""
    effort_name: ClassVar[str]
    """Unit of a query's effort: ``reach``, ``candidates`` or ``num_candidates``."""
    retrieval: ClassVar[str]
    """Name of the retrieval strategy: ``lists``, ``tables`` or ``graph``."""
    code_noun: ClassVar[str] = "tokens"
    """Name of the tokens in reports, in the plural."""
    max_touched: ClassVar[float] = 1.0
    """Share of rows with a token of the query, above which a report warns."""
    has_rare_tokens: ClassVar[bool] = False
    """True if most possible tokens occur in no row: reports then count rows that share no token."""
    tokens_are_probes: ClassVar[bool] = False
    """True if a query probes only its own tokens: the tokens of a stored row then lead to its neighbours."""

    hash_backend: str = "numpy"
    """Requested library; an argument of the models with the knob `HASH_BACKEND`."""

    backend_: Backend
    versions_: dict[str, str]
    sample_rows_: int
    sample_sha256_: str
    dims_: int
    longest_: float

    def __init__(self, *, metric: str = "l2", seed: int = 0) -> None:
        self.metric = metric
        self.seed = seed

    def _check_settings(self) -> None:
        """Raise :class:`SettingsError` for knobs outside their bounds.

        A model adds checks of knobs that do not fit together.
        """
        for knob in self.knobs:
            if (value := getattr(self, knob.name)) is not None:
                knob.check(value)

    @abstractmethod
    def _learn(self, sample: Float32Array, rows: int, generator: np.random.Generator) -> None:
        """Learn from prepared vectors; set attributes that end in ``_``."""

    @abstractmethod
    def _encode(self, vectors: Float32Array, near: int) -> RowCodes:
        """Encode prepared vectors."""

    @abstractmethod
    def _probe(self, queries: Float32Array, effort: int) -> Int64Array:
        """Probe with prepared queries; ``dot`` prepares queries and rows differently."""

    @abstractmethod
    def _learned(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Return learned numbers and arrays by attribute name, without the closing ``_``."""

    @property
    @abstractmethod
    def tokens_per_row(self) -> int:
        """Tokens that each row is indexed under."""

    @property
    @abstractmethod
    def token_count(self) -> int:
        """Number of possible tokens: codes are 0 to ``token_count - 1``."""

    @property
    def graph(self) -> dict[str, int]:
        """Options of the server's graph of the vectors; empty for models with tokens."""
        return {}

    @abstractmethod
    def default_effort(self, rows: int) -> float:
        """Return the effort of a query, in units of `effort_name`, for `rows` rows."""

    def resized(self, way: int) -> tuple[str, int] | None:
        """Return the knob that sets the number of tokens, and its value; or None.

        A `way` of 0 is the value of this model, 1 is for twice as many tokens, -1 for half.

        The value may lie outside the knob's bounds.
        """
        return None

    @classmethod
    def default_sample(cls, rows: int, dims: int) -> int:
        """Return the number of rows to fit on: at most 20,000 and 64 MiB, to bound memory."""
        return max(2, min(rows, SAMPLE_ROWS, SAMPLE_BYTES // (4 * dims)))

    @property
    def dims(self) -> int:
        """Components of the vectors that the model was fitted on."""
        self._check_fitted()
        return self.dims_

    def get_params(self) -> dict[str, Any]:
        """Return the arguments of ``__init__``, by name."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    @classmethod
    def backends(cls) -> tuple[Backend, ...]:
        """Libraries that can compute the tokens of this model."""
        return BACKENDS if HASH_BACKEND in cls.knobs else ("numpy",)

    def __getstate__(self) -> dict[str, Any]:
        """Return arguments and learned attributes, without caches."""
        kept = self.get_params().keys()
        return {name: value for name, value in vars(self).items() if name in kept or name.endswith("_")}

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.get_params().items())
        return f"{type(self).__name__}({arguments})"

    def fit(self, sample: Float32Array, *, rows: int | None = None) -> Self:
        """Learn from a sample.

        Parameters
        ----------
        sample : (n, d) float32
            At least two rows.
        rows
            Number of rows of the index, which decides defaults; default: the size of the sample.

        Raises
        ------
        SettingsError
            An argument of the model is not allowed.
        MissingPackageError
            The requested backend is not installed.
        VectorError
            The sample is not float32, is empty, or has a row that cannot be hashed.
        """
        metric = metric_named(self.metric)
        if not MIN_SEED <= self.seed <= MAX_SEED:
            raise SettingsError("seed", self.seed, f"must be from {MIN_SEED} to {MAX_SEED}")
        self._check_settings()
        backend = choose_backend(self.hash_backend, setting="hash_backend")
        _check_array(sample)
        if len(sample) < 2 or sample.shape[1] < 1:
            raise VectorError(None, f"a sample of shape {sample.shape} is too small to fit a model on")
        if rows is not None and rows < 1:
            raise SettingsError("rows", rows, "must be at least 1")
        self._forget()
        self.backend_, self.versions_ = backend, {name: version(name) for name in sorted({"numpy", backend})}
        with one_blas_thread():
            if (norm := metric.trained_norm(sample)) is not None:
                self.longest_ = norm
            prepared = self._prepare_rows(sample)
            self._learn(prepared, len(sample) if rows is None else rows, np.random.default_rng(self.seed))
        self.sample_rows_, self.dims_ = sample.shape
        self.sample_sha256_ = hashlib.sha256(np.ascontiguousarray(sample).data).hexdigest()
        return self

    def check_backend(self) -> None:
        """Raise `MissingPackageError` unless the backend is installed; nothing is imported."""
        self._check_fitted()
        require_backend(self.backend_, f"a model with hash_backend={self.backend_}")

    def encode(self, vectors: Float32Array, near: int = 0) -> RowCodes:
        """Return the tokens that rows are indexed under.

        Parameters
        ----------
        vectors : (n, d) float32
        near
            Number of lists to return besides: those that a query with the row's vector visits. Models without lists
            return None.

        Raises
        ------
        ModelMismatchError
            The vectors have another length than the model's.
        MissingPackageError
            The model's backend is not installed here.
        VectorError
            The array is not float32, or a row cannot be hashed.
        """
        self._check_dims(vectors, "encode")
        with one_blas_thread():
            codes = self._encode(self._prepare_rows(vectors), near)
        beyond = self._metric.count_beyond(vectors, self._trained_norm)
        return codes._replace(beyond_norm=beyond) if beyond else codes

    def probe(self, queries: Float32Array, effort: int) -> Int64Array:
        """Return the tokens to search for, as many for each query.

        Parameters
        ----------
        queries : (q, d) float32
        effort
            Effort in whole numbers: lists, candidates or `num_candidates`.

        Returns
        -------
        (q, t) int64, the most promising token first where the model knows an order.

        Raises
        ------
        SettingsError, ModelMismatchError, VectorError
        """
        self._check_dims(queries, "probe")
        if effort < 1:
            raise SettingsError("effort", effort, "must be at least 1")
        with one_blas_thread():
            return self._probe(self._metric.prepare_queries(queries), effort)

    def tokens_for(self, queries: Float32Array, effort: Effort) -> Sequence[Int64Array]:
        """Return the tokens that a search with this effort asks for, by query.

        Parameters
        ----------
        queries : (q, d) float32

        Returns
        -------
        q arrays of int64

        Raises
        ------
        SettingsError, ModelMismatchError, VectorError
        """
        return list(self.probe(queries, effort.whole))

    def state(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Return the learned state: a document for JSON, and arrays for ``npy``.

        The document holds the backend that was used, in place of `hash_backend`: only the used backend decides tokens,
        and without a GPU ``auto`` makes the same model as ``numpy``.
        """
        self._check_fitted()
        numbers, arrays = self._learned()
        if self._trained_norm is not None:
            numbers = {**numbers, "longest": self._trained_norm}
        document = {
            "model": self.name,
            "params": {name: value for name, value in self.get_params().items() if name != "hash_backend"},
            "dims": self.dims_,
            "learned": numbers,
            "backend": self.backend_,
            "dtype": DTYPE,
            "versions": dict(self.versions_),
            "sample": {"rows": self.sample_rows_, "sha256": self.sample_sha256_},
        }
        return document, arrays

    @classmethod
    def from_state(cls, params: dict[str, Any], arrays: dict[str, Array]) -> Self:
        """Make the model from its :meth:`state`.

        Raises
        ------
        ModelMismatchError
            The state belongs to another model, or names a backend that this model does not support.
        """
        for what, known in (("model", (cls.name,)), ("backend", cls.backends()), ("dtype", (DTYPE,))):
            if params.get(what) not in known:
                raise ModelMismatchError(" or ".join(known), str(params.get(what)), f"`{what}` of a stored model")
        model = cls(**params["params"])
        model.backend_, model.versions_ = params["backend"], dict(params["versions"])
        if len(cls.backends()) > 1:
            model.hash_backend = model.backend_
        for name, value in {**params["learned"], **arrays}.items():
            setattr(model, f"{name}_", value)
        model.dims_ = params["dims"]
        model.sample_rows_, model.sample_sha256_ = params["sample"]["rows"], params["sample"]["sha256"]
        return model

    def _prepare_rows(self, vectors: Float32Array) -> Float32Array:
        return self._metric.prepare_rows(vectors, self._trained_norm)

    @property
    def _metric(self) -> Metric:
        return metric_named(self.metric)

    @property
    def _trained_norm(self) -> float | None:
        return getattr(self, "longest_", None)

    def _forget(self) -> None:
        for name in vars(self).keys() - self.get_params().keys():
            delattr(self, name)

    def _check_fitted(self) -> None:
        if not hasattr(self, "dims_"):
            raise ModelMismatchError("a fitted model", "one that was never fitted", repr(self))

    def _check_dims(self, vectors: Float32Array, where: str) -> None:
        self._check_fitted()
        _check_array(vectors)
        if vectors.shape[1] != self.dims_:
            raise ModelMismatchError(f"vectors of {self.dims_} numbers", f"{vectors.shape[1]}", where)


def _check_array(vectors: Float32Array) -> None:
    if not isinstance(vectors, np.ndarray) or vectors.ndim != 2 or vectors.dtype != np.float32:
        found = f"{vectors.dtype} {vectors.shape}" if isinstance(vectors, np.ndarray) else type(vectors).__name__
        raise VectorError(None, f"expected a float32 array (rows, dims), found {found}")
