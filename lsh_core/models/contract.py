"""Contract of an LSH model: scikit-learn's estimator, with tokens as its output."""

from __future__ import annotations

import hashlib
import inspect
from abc import ABC, abstractmethod
from importlib.metadata import version
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

from lsh_core.backends import BACKENDS, Backend, choose_backend, require_backend
from lsh_core.errors import ModelMismatchError, SettingsError, VectorError
from lsh_core.knobs import Knob
from lsh_core.metrics import metric_named
from lsh_core.metrics.contract import Metric
from lsh_core.models.arrays import Array, Float32Array, Int64Array
from lsh_core.models.threads import one_blas_thread

DTYPE = "float32"
SAMPLE_ROWS = 20_000
SAMPLE_BYTES = 64 * 2**20
MIN_SEED, MAX_SEED = 0, 2**32 - 1
HASH_BACKEND = Knob(
    "hash_backend",
    "library that computes the tokens of rows, wherever they are indexed or upserted with this model",
    type=str,
    choices={
        "numpy": "runs on any worker",
        "tensorflow": "runs on workers that have it, on their GPU if there is one",
        "auto": "tensorflow if the worker that trains has it and a GPU",
    },
    default="numpy",
)
"""Knob of the models that can encode with TensorFlow."""


class RowCodes(NamedTuple):
    """Tokens of rows.

    Attributes
    ----------
    tokens : (n, tokens_per_row) int64
        Tokens that each row is indexed under.
    near : (n, near) int64 or None
        The lists that a query with the row's vector visits, the most promising first; None for models without lists.
    beyond_norm
        Rows beyond the trained norm, under metrics that have one: they are hashed as if they were as long as the
        longest row of the sample, and found less surely.
    """

    tokens: Int64Array
    near: Int64Array | None
    beyond_norm: int = 0


class LSHModel(ABC):
    """The contract of a model.

    ``__init__`` only stores its arguments. :meth:`fit` checks them, learns from a sample and returns the
    model; what was learned ends in ``_``, and a second fit forgets the first. The same sample, seed and
    backend give the same model, byte for byte, whatever the number of threads.

    Parameters
    ----------
    metric
        Name of a metric: ``"l2"``, ``"cosine"``, ``"dot"``, or one that a package registers.
    seed
        0 to 2³² - 1.

    Attributes
    ----------
    backend_
        Library that computes the tokens of rows: ``"numpy"``, or ``"tensorflow"`` where a model can and was asked to.
        Probing takes NumPy always.
    versions_
        Of the libraries that the model was made with.
    longest_
        Trained norm: the length of the sample's longest row, under metrics that need it.

    Notes
    -----
    Vectors reach `_learn`, `_encode` and `_probe` prepared by the metric (see :mod:`lsh_core.metrics.contract`): under
    ``cosine`` of unit length, under ``dot`` with one component more than `dims`. Under a metric with `by_product` all
    rows have one length, and a query's best rows are those with the largest inner product: models that compare
    distances compare products for queries instead. Under a metric with `by_angle` planes go through the origin.

    A fit computes with NumPy whatever the backend, so two backends learn the same arrays. Which one encodes is part of
    a model all the same, and of its fingerprint: a row that lies within rounding of a border would otherwise get one
    token when it is loaded and another when it is upserted. Queries are probed with NumPy whatever the backend. Rows
    within rounding of a border are a few in a million, and a query finds them from either side as it finds all that are
    a little further from it, by its other tables, or by the next lists: that is what spill and several probes are for.
    TensorFlow in a search would cost seconds of import, and memory, for the hash of one vector.
    """

    name: ClassVar[str]
    """Name in settings, on the command line, and in stored models and builds."""
    summary: ClassVar[str]
    """Description in a few words, for forms and help."""
    knobs: ClassVar[tuple[Knob, ...]] = ()
    """Arguments of ``__init__`` beside `metric` and `seed`."""
    effort_name: ClassVar[str]
    """Unit of a query's effort: ``probes``, ``candidates`` or ``num_candidates``."""
    retrieval: ClassVar[str]
    """Name of the retrieval strategy: ``lists``, ``tables`` or ``graph``."""
    code_noun: ClassVar[str] = "tokens"
    """Name of the tokens in reports, in the plural."""
    max_touched: ClassVar[float] = 1.0
    """Share of the rows that a query may share a token with before a report warns of it."""
    has_rare_tokens: ClassVar[bool] = False
    """True where most possible tokens occur in no row: reports then look at rows that are alone with a token."""
    tokens_are_probes: ClassVar[bool] = False
    """True where a query asks for its own tokens alone: a stored row's tokens then lead to its neighbours."""

    hash_backend: str = "numpy"
    """Library that was asked for; an argument of the models with the knob `HASH_BACKEND`."""

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
        """Raise :class:`SettingsError` for knobs outside their bounds; a model adds those that do not fit together."""
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
        """Probe with prepared queries, which under ``dot`` are not like rows."""

    @abstractmethod
    def _learned(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Learned numbers and arrays by attribute name, without the closing ``_``."""

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
        """Options of the server's graph of the vectors; none for models that are searched by their tokens."""
        return {}

    @abstractmethod
    def default_effort(self, rows: int) -> int:
        """The effort of a query, in units of `effort_name`, for an index of so many rows."""

    def resized(self, way: int) -> tuple[str, int] | None:
        """Return the knob for the number of tokens, and its value; None for models without such a knob.

        `way` is 0 for the value of this model, 1 for twice as many tokens, -1 for half.

        The value may lie outside the knob's bounds.
        """
        return None

    @classmethod
    def default_sample(cls, rows: int, dims: int) -> int:
        """Rows of `rows` to fit on: 20,000 and 64 MiB at most, so that a worker's memory is bounded."""
        return max(2, min(rows, SAMPLE_ROWS, SAMPLE_BYTES // (4 * dims)))

    @property
    def dims(self) -> int:
        """Components of the vectors that the model was fitted on."""
        self._check_fitted()
        return self.dims_

    def get_params(self) -> dict[str, Any]:
        """The arguments of ``__init__``, by name."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    @classmethod
    def backends(cls) -> tuple[Backend, ...]:
        """Libraries that can compute the tokens of this model."""
        return BACKENDS if HASH_BACKEND in cls.knobs else ("numpy",)

    def __getstate__(self) -> dict[str, Any]:
        """Return arguments and learned attributes; attributes that are kept for speed are made again where needed."""
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
            How many rows the index will hold, which the defaults depend on; default: as many as the sample.

        Raises
        ------
        SettingsError
            An argument of the model that is not allowed.
        MissingPackageError
            The backend that was asked for is not installed.
        VectorError
            A sample that is not float32, empty, or has a row that cannot be hashed.
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
        """Raise `MissingPackageError` unless rows can be encoded in this process; nothing is imported."""
        self._check_fitted()
        require_backend(self.backend_, f"a model with hash_backend={self.backend_}")

    def encode(self, vectors: Float32Array, near: int = 0) -> RowCodes:
        """Turn rows into the tokens they are indexed under.

        Parameters
        ----------
        vectors : (n, d) float32
        near
            How many of the lists that a query with the row's vector visits to answer besides; models without lists
            answer None.

        Raises
        ------
        ModelMismatchError
            Vectors of another length than the model's.
        MissingPackageError
            The model's backend is not installed here.
        VectorError
            An array that is not float32, or a row that cannot be hashed.
        """
        self._check_dims(vectors, "encode")
        with one_blas_thread():
            codes = self._encode(self._prepare_rows(vectors), near)
        beyond = self._metric.count_beyond(vectors, self._trained_norm)
        return codes._replace(beyond_norm=beyond) if beyond else codes

    def probe(self, queries: Float32Array, effort: int) -> Int64Array:
        """The tokens to look for.

        Parameters
        ----------
        queries : (q, d) float32
        effort
            In units of `effort_name`.

        Returns
        -------
        (q, t) int64, the most promising token first where the model knows an order.

        Raises
        ------
        SettingsError, ModelMismatchError, VectorError
        """
        self._check_dims(queries, "probe")
        if effort < 1:
            raise SettingsError(self.effort_name, effort, "must be at least 1")
        with one_blas_thread():
            return self._probe(self._metric.prepare_queries(queries), effort)

    def state(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Return everything that was learned: a document for JSON, and arrays for ``npy``.

        The document holds the backend that was taken in place of `hash_backend`: the one that was asked for does not
        decide tokens, and ``auto`` where there is no GPU makes the model that ``numpy`` does.
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
        """Make the model whose :meth:`state` this is.

        Raises
        ------
        ModelMismatchError
            A state of another model, or of a backend that this model does not know.
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
